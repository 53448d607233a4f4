"""Secrets in plain text: what is taken for one, and that no report shows it."""

from __future__ import annotations

import json
from pathlib import Path

from test_cli import Run

from meshlint.reporters import FORMATS

VALUE = "hunter2-hunter2"


def found(tree: Path, data: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Which of the keys and values of a ConfigMap each are reported."""
    config = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{at}"}, "data": {k: v}}
        for at, (k, v) in enumerate(data)
    ]
    (tree / "config.json").write_text(
        json.dumps({"kind": "List", "apiVersion": "v1", "items": config})
    )
    run = Run(tree, "config.json", "--select=secret-in-plain-text", "--format=json")
    names = {
        finding["resource"]["name"]
        for finding in json.loads(run.out)["findings"]
        if finding["rule"] == "secret-in-plain-text"
    }
    return [data[int(name[1:])] for name in sorted(names, key=lambda name: int(name[1:]))]


SECRETS = [
    ("DB_PASSWORD", VALUE),
    ("dbPassword", VALUE),
    ("db.password", VALUE),
    ("PGPASSWORD", VALUE),
    ("api-key", VALUE),
    ("SECRET_BLAH", VALUE),
    ("AWS_SECRET_ACCESS_KEY", VALUE),
    ("config", "-----BEGIN RSA PRIVATE KEY-----\nabc\n"),
    ("dsn", f"postgres://ledger:{VALUE}@db:5432/ledger"),
    ("TOKEN_URL", f"https://ledger:{VALUE}@login.bank.example/"),
]


HARMLESS = [
    ("DB_PASSWORD", ""),
    ("DB_PASSWORD", "/run/secrets/db"),
    ("DB_PASSWORD", "$(DB_PASSWORD)"),
    ("DB_PASSWORD", "${DB_PASSWORD}"),
    ("DB_PASSWORD", "{{ .Values.password }}"),
    ("DB_PASSWORD", "<password>"),
    ("PASSWORD_REQUIRED", "true"),
    ("TOKEN_TTL", "3600"),
    ("TOKEN_TTL", "15m"),
    ("TOKEN_ENDPOINT", "https://login.bank.example/token"),
    ("SECRET_NAME", "ledger"),
    ("PASSWORD_FILE", "password.txt"),
    ("DB_USER", "ledger"),
    ("SECRETARY", "kim"),
    ("password.yaml", "minLength: 12\nrotate: true\n"),
    ("dsn", "postgres://ledger:$(DB_PASSWORD)@db:5432/ledger"),
    ("dsn", "postgres://db:5432/ledger@main"),
    ("cert", "-----BEGIN CERTIFICATE-----\nabc\n"),
]


def test_what_is_a_secret(tmp_path: Path) -> None:
    assert found(tmp_path, [*SECRETS, *HARMLESS]) == SECRETS


def test_the_value_is_in_no_report(tmp_path: Path) -> None:
    (tmp_path / "cart.yaml").write_text(
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: cart, namespace: shop}}\n"
        f"spec:\n  containers:\n  - name: cart\n    image: shop/cart:1\n"
        f"    env: [{{name: DB_PASSWORD, value: {VALUE}}}]\n"
    )
    given = [f"--format={name}={name}.out" for name in FORMATS]
    run = Run(tmp_path, "cart.yaml", "--profile=all", "--select=secret-in-plain-text", *given)
    assert VALUE not in run.out + run.err
    for name in FORMATS:
        report = (tmp_path / f"{name}.out").read_text()
        assert "secret-in-plain-text" in report
        assert VALUE not in report, name
