"""No value of a Secret in anything that meshlint writes, whatever state its manifest is in.

Values are planted wherever a secret can stand, and every output is searched for them.
"""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest
from test_cli import Run

from meshlint.enablement import enable
from meshlint.fixes import diff_lines, planned
from meshlint.lint import Request, lint
from meshlint.model.resources import Resource
from meshlint.reporters import FORMATS, ReportContext, whole
from meshlint.ruleset import load_builtin, load_directory

CONTEXT = ReportContext(version="1", rules=[], color=True, width=200, verbosity=1)


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
        "  servers:\n  - port: {number: 443, name: https, protocol: HTTPS}\n    hosts: [a.test]\n"
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
        "jwks.yaml": "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\n"
        "metadata: {name: r, namespace: shop}\nspec:\n  jwtRules:\n  - issuer: a\n    jwks: "
        f'\'{{"keys": [{{"kty": "oct", "k": "{new()}"}}]}}\'\n',
    }


def plain_text(plants: Plants) -> dict[str, str]:
    """Files with values that a rule takes for secrets, though they are in no Secret."""
    new = plants.new
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"
    return {
        "env.yaml": f"{POD}        env:\n        - name: DB_PASSWORD\n          value: {new()}\n"
        f"        - name: DSN\n          value: postgres://shop:{new()}@db.example/shop\n",
        "config.yaml": f"{config}data:\n  api-key: {new()}\n  app.conf: |\n    {_key(new())}\n",
    }


def _key(value: str) -> str:
    return f"-----BEGIN PRIVATE KEY-----{value}-----END PRIVATE KEY-----"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plants]:
    tree, plants = tmp_path_factory.mktemp("planted"), Plants()
    for name, text in {**secrets(plants), **plain_text(plants)}.items():
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


def test_colored_reports(planted: tuple[Path, Plants], monkeypatch: pytest.MonkeyPatch) -> None:
    tree, plants = planted
    monkeypatch.chdir(tree)
    rules = load_builtin()
    result = lint(Request(["."], [enable(rule) for rule in rules], known_rules=rules))
    text = whole("text", planned(result.report), CONTEXT)
    assert "\x1b[" in text
    assert not leaks(plants, [("text", text)])


@pytest.mark.parametrize("option", ["--diff", "--fix", "--unsafe-fixes"])
def test_fixes(tmp_path: Path, option: str) -> None:
    plants = Plants()
    for name, text in secrets(plants).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    options = ["--unsafe-fixes", "--diff"] if option == "--diff" else [option]
    run = Run(tmp_path, ".", "--profile=all", "-v", *options, "--format=text", "--format=json=j")
    texts = [("out", run.out), ("err", run.err)]
    texts += [(f.name, f.read_text()) for f in [tmp_path / "j"] if f.is_file()]
    assert not leaks(plants, texts)


def test_other_commands(planted: tuple[Path, Plants]) -> None:
    tree, plants = planted
    runs = {
        "inspect": Run(tree, "inspect", "."),
        "inspect as json": Run(tree, "inspect", ".", "--format=json"),
        "init": Run(tree, "init", "--stdout"),
        "baseline": Run(tree, ".", "--write-baseline", "--baseline=known.json"),
        "as configuration": Run(tree, "--config=unclosed.yaml", "."),
        "as values": Run(tree, "--helm-values=istiod=plain.yaml", "."),
        "as mesh configuration": Run(tree, "--mesh-config=plain.yaml", "."),
        "as networks": Run(tree, "--mesh-networks=unclosed.yaml", "."),
        "as definitions": Run(tree, "--crds=.", "config.yaml"),
        "as context": Run(tree, "--context=.", "gateway.yaml", "-v"),
        "from standard input": Run(
            tree, "-", stdin="".join(f"{p.read_text()}---\n" for p in sorted(tree.glob("o*.yaml")))
        ),
    }
    assert "findings" in runs["baseline"].err
    texts = [(name, run.out + run.err) for name, run in runs.items()]
    assert not leaks(plants, [*texts, ("known.json", (tree / "known.json").read_text())])


def test_a_diff_leaves_out_what_a_secret_beside_the_change_holds(tmp_path: Path) -> None:
    plants = Plants()
    secret = f"---\napiVersion: v1\nkind: Secret\nstringData:\n  p: {plants.new()}\n"
    before = f"{secret}---\n{{a: b}}\n{secret}---\nc: d\n{secret}"
    for after in (
        before.replace("{a: b}", "a: c").replace("c: d", "c: e"),
        f"{before}---\na: b\n",
        f"a: b\n{before}",
    ):
        (tmp_path / "a.yaml").write_text(before)
        lines = diff_lines("a.yaml", before, after)
        assert not leaks(plants, [("diff", "\n".join(lines))])
        patch = ("\n".join(lines) + "\n").encode()
        command = ["git", "apply", "--unidiff-zero", "-"]
        subprocess.run(command, cwd=tmp_path, input=patch, check=True)
        assert (tmp_path / "a.yaml").read_text() == after


CRASHING = """\
id: always-crashing
title: Always crashes
severity: error
profiles: [production]
subjects: [core/Secret]
context: self
python: crashing.crash
message: It has not crashed.
rationale: It crashes on every object that it looks at.
remediation: Nothing helps, as it always crashes.
references: [https://example.com]
"""


def test_what_a_crashing_check_says_of_a_secret_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plants = Plants()
    (tmp_path / "token.yaml").write_text(f"{HEAD}stringData: {{p: {plants.new()}}}\n")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "always-crashing.yaml").write_text(CRASHING)

    def crash(subject: Resource, *_: object) -> None:
        raise ValueError(subject.value["stringData"]["p"])

    module = ModuleType("meshlint.checks.crashing")
    module.crash = crash  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (rule,) = load_directory(tmp_path / "rules")
    result = lint(Request([str(tmp_path / "token.yaml")], [enable(rule)], known_rules=[rule]))
    (finding,) = result.report.findings
    assert "ValueError" in finding.message
    assert "in crash" in result.crashes[0]
    texts = [(name, whole(name, result.report, CONTEXT)) for name in FORMATS]
    assert not leaks(plants, [*texts, ("trace", result.crashes[0])])
