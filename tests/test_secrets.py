"""No value of a Secret in anything that meshlint writes, whatever state its manifest is in.

Values are planted wherever a secret can stand, and every output is searched for them.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from test_cli import Run

from meshlint.reporters import FORMATS


@dataclass
class Plants:
    """Values that must never be seen again."""

    values: list[str] = field(default_factory=list)

    def new(self) -> str:
        """Another value that stands nowhere else."""
        self.values.append(f"pl4nted{len(self.values):03}w0rd")
        return self.values[-1]

    def encoded(self) -> str:
        """The same in the form that `data` has."""
        return _base64(self.new())

    def in_text(self, text: str) -> list[str]:
        """The values that a text gives away, as they are or encoded."""
        return [v for v in self.values if v in text or _base64(v).rstrip("=") in text]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


HEAD = "apiVersion: v1\nkind: Secret\nmetadata: {name: token, namespace: shop}\n"
POD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec:
      containers:
      - name: cart
        image: registry.example/cart:1.0
"""


def secrets(plants: Plants) -> dict[str, str]:
    """Files with Secrets, well made and otherwise."""
    new, encoded = plants.new, plants.encoded
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"
    inline = (
        f'{{"apiVersion": "v1", "kind": "Secret", "metadata": {{"name": "s"}}, '
        f'"stringData": {{"a": "{new()}"}}}}'
    )
    pem = f"-----BEGIN RSA PRIVATE KEY-----\n{new()}\n-----END RSA PRIVATE KEY-----\n"
    docker = {"auths": {"registry.example": {"auth": encoded(), "password": new()}}}
    applied = json.dumps({"kind": "Secret", "data": {"a": encoded()}, "stringData": {"b": new()}})
    return {
        "plain.yaml": f"{HEAD}stringData:\n  password: {new()}\n",
        "encoded.yaml": f"{HEAD}type: Opaque\ndata:\n  password: {encoded()}\n  bad: '{new()}'\n",
        "no-base64.yaml": f"{HEAD}data:\n  password: {new()}!\n  number: 7\n  none:\n",
        "tls.yaml": f"{HEAD}type: kubernetes.io/tls\ndata:\n  tls.crt: {encoded()}\n"
        f"  tls.key: {_base64(pem)}\n  ca.crt: {new()}\n",
        "gateway.yaml": "apiVersion: networking.istio.io/v1\nkind: Gateway\n"
        "metadata: {name: g, namespace: shop}\nspec:\n  selector: {istio: ingressgateway}\n"
        "  servers:\n  - port: {number: 443, name: https, protocol: HTTPS}\n    hosts: [a.example]\n"
        "    tls: {mode: SIMPLE, credentialName: token}\n",
        "docker.yaml": f"{HEAD}type: kubernetes.io/dockerconfigjson\nstringData:\n"
        f"  .dockerconfigjson: '{json.dumps(docker)}'\n",
        "docker-encoded.yaml": f"{HEAD}type: kubernetes.io/dockerconfigjson\ndata:\n"
        f"  .dockerconfigjson: {_base64(json.dumps(docker))}\n",
        "json-inside.yaml": f'{HEAD}stringData:\n  app.json: \'{{"token": "{new()}"}}\'\n',
        "applied.yaml": "apiVersion: v1\nkind: Secret\nmetadata:\n  name: token\n  annotations:\n"
        f"    kubectl.kubernetes.io/last-applied-configuration: '{applied}'\n",
        "one-line.yaml": f"{{apiVersion: v1, kind: Secret, stringData: {{p: {new()}}}}}\n",
        "one-line.json": f"{inline}\n",
        "list.json": '{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": '
        f'"ConfigMap", "metadata": {{"name": "c", "nam": 1}}, "dota": {{}}}}, {inline}]}}\n',
        "list-malformed.json": '{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1",'
        ' "kind": "ConfigMap", "metadata": {"name": "c"}, "dota": {}},'
        f' {{"kind": "Secret", "stringData": {{"a": "{new()}"}}}}]}}\n',
        "list.yaml": f"apiVersion: v1\nkind: List\nitems:\n- {inline}\n- apiVersion: v1\n"
        f"  kind: Secret\n  stringData: {{p: {new()}, p: {new()}}}\n",
        "secret-list.yaml": "apiVersion: v1\nkind: SecretList\nitems:\n- metadata: {name: a}\n"
        f"  stringData: {{p: {new()}}}\n- metadata: [{new()}]\n  data: {new()}\n",
        "no-version.yaml": f"kind: Secret\nmetadata: {{name: a}}\nstringData: {{p: {new()}}}\n",
        "no-version-line.yaml": f"{{kind: Secret, stringData: {{p: {new()}}}}}\n",
        "odd-version.yaml": f"{{apiVersion: 7, kind: Secret, stringData: {{p: {new()}}}}}\n",
        "other-version.yaml": f"{{apiVersion: v2, kind: Secret, dota: {{p: {new()}}}}}\n",
        "other-group.yaml": f"{{apiVersion: core/v1, kind: Secret, dota: {{p: {new()}}}}}\n",
        "data-list.yaml": f"{HEAD}data: [{new()}, {{a: {new()}}}]\nstringData: {new()}\n",
        "data-nested.yaml": f"{HEAD}data:\n  a: {{b: {new()}}}\n  c: [{new()}]\n",
        "misspelt.yaml": f"{HEAD}stringdata: {{p: {new()}}}\nDATA: {new()}\ntype: [{new()}]\n"
        f"immutable: {new()}\n",
        "metadata.yaml": f"apiVersion: v1\nkind: Secret\nmetadata: {{name: a, labels: {new()},"
        f" annotations: [{new()}]}}\nstringData: {{p: {new()}}}\n",
        "twice.yaml": f"{HEAD}stringData:\n  p: {new()}\n  p: {new()}\n",
        "unclosed.yaml": f"{HEAD}stringData:\n  p: [{new()}\n  q: {new()}\n",
        "quote.yaml": f'{HEAD}stringData:\n  p: "{new()}\n  q: {new()}\n',
        "tab.yaml": f"{HEAD}stringData:\n\tp: {new()}\n",
        "colon.yaml": f"{HEAD}stringData:\n  p: {new()}: {new()}\n",
        "indent.yaml": f"{HEAD}stringData:\n  p: {new()}\n q: {new()}\n",
        "escape.yaml": f'{HEAD}stringData:\n  p: "\\q{new()}"\n',
        "anchor.yaml": f"{HEAD}stringData:\n  p: *{new()}\n",
        "tag.yaml": f"{HEAD}stringData:\n  p: !!binary '{new()}!'\n  q: !!int {new()}\n",
        "key.yaml": f"{HEAD}stringData:\n  ? [{new()}]\n  : a\n",
        "merge.yaml": f"{HEAD}stringData:\n  <<: {new()}\n",
        "control.yaml": f"{HEAD}stringData:\n  p: \x01{new()}\n",
        "percent.yaml": f"{HEAD}stringData:\n  p: %{new()}\n  q: @{new()}\n",
        "template.yaml": f"{HEAD}stringData:\n  p: {{{{ {new()} }}}}\n",
        "below.yaml": f"{HEAD}stringData:\n  p: a\n{new()}\n",
        "tagged-kind.yaml": f"apiVersion: v1\nkind: !!str Secret\nstringData:\n  p: [{new()}\n",
        "anchored-kind.yaml": f"apiVersion: v1\nkind: &k Secret\nstringData:\n  p: [{new()}\n",
        "broken.json": '{"apiVersion": "v1", "kind": "Secret", "data": '
        f'{{"a": "{encoded()}" "b"}}}}',
        "beside.yaml": f"{config}data: [\n---\n{HEAD}stringData: {{p: {new()}}}\n---\n"
        f"{config}dota: {{a: b}}\n---\n{HEAD}stringData: {{p: {new()}\n",
        "latin1.yaml": f"{HEAD}stringData:\n  p: {new()}\udcff\n",
        "kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        f"secretGenerator:\n- name: a\n  literals: [p={new()}]\n",
        "twice/kustomization.yaml": "kind: Kustomization\nsecretGenerator: [{name: a, literals: "
        f"[p={new()}], literals: [p={new()}]}}]\n",
        "broken/kustomization.yaml": f"secretGenerator:\n- name: a\n  literals: [p={new()}\n",
        "env.yaml": f"{POD}        env:\n        - name: DB_PASSWORD\n          value: {new()}\n"
        f"        - name: DSN\n          value: postgres://shop:{new()}@db.example/shop\n",
        "config.yaml": f"{config}data:\n  api-key: {new()}\n  app.conf: |\n    {_key(new())}\n",
        "jwks.yaml": "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\n"
        "metadata: {name: r, namespace: shop}\nspec:\n  jwtRules:\n  - issuer: a\n    jwks: "
        f"'{{\"keys\": [{{\"kty\": \"oct\", \"k\": \"{new()}\"}}]}}'\n",
    }


def _key(value: str) -> str:
    return f"-----BEGIN PRIVATE KEY-----{value}-----END PRIVATE KEY-----"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plants]:
    tree, plants = tmp_path_factory.mktemp("planted"), Plants()
    for name, text in secrets(plants).items():
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    return tree, plants


def leaks(plants: Plants, texts: Iterable[tuple[str, str]]) -> list[str]:
    """Which values which outputs give away, each with the words around it."""
    found = []
    for name, text in texts:
        for value in plants.in_text(text):
            shown = value if value in text else _base64(value).rstrip("=")
            at = text.index(shown)
            found.append(f"{name}: {text[max(0, at - 200) : at + 40]!r}")
    return found


def test_reports(planted: tuple[Path, Plants]) -> None:
    tree, plants = planted
    names = [f"--format={name}={name}.out" for name in FORMATS]
    names += ["--format=sarif=x.sarif.gz", "--format=text"]
    run = Run(tree, ".", "--profile=all", "-v", *names)
    assert run.code == 1
    texts = [(name, (tree / f"{name}.out").read_text()) for name in FORMATS]
    packed = gzip.decompress((tree / "x.sarif.gz").read_bytes()).decode()
    texts += [("sarif.gz", packed), ("out", run.out), ("err", run.err)]
    for name, text in texts[: len(FORMATS)]:
        assert "anchor.yaml" in text, name
    assert not leaks(plants, texts)
