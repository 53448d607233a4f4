"""Starts a new rule: `python -m meshlint.scaffold CATEGORY ID`."""

from __future__ import annotations

import re
from pathlib import Path

import click

ROOT = Path(__file__).parent.parent

_DECLARATION = """\
id: {id}
title: What is wrong, in a few words
severity: warning
profiles: [production]
subjects: [workload]
context: self
schema:
  at: main-containers
  must:
    required: [image]
message: >-
  Container {{container}} has {{value}} for {{field}}; say what is needed, and why it matters.
rationale: |
  Why the defect matters, for a reader who runs the mesh.
remediation: |
  What to write instead.
references: []
"""

_FAILING = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart
spec:
  selector:
    matchLabels: {app: cart}
  template:
    metadata:
      labels: {app: cart}
    spec:
      containers:
        - name: cart
"""

_PASSING = _FAILING + "          image: registry.example/cart:1.0\n"


@click.command()
@click.argument("category")
@click.argument("rule_id", metavar="ID")
def main(category: str, rule_id: str) -> None:
    """Write the declaration and the fixtures of a new rule, ready to be changed."""
    for name in (category, rule_id):
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
            raise click.UsageError(f"{name!r} is not lower-case words joined by '-'")
    declaration = ROOT / "rules" / category / f"{rule_id}.yaml"
    if any((ROOT / "rules").glob(f"*/{rule_id}.yaml")):
        raise click.UsageError(f"there already is a rule {rule_id}")
    fixtures = ROOT / "fixtures" / rule_id
    declaration.parent.mkdir(parents=True, exist_ok=True)
    fixtures.mkdir(parents=True, exist_ok=True)
    declaration.write_text(_DECLARATION.format(id=rule_id), encoding="utf-8")
    (fixtures / "fail-simple.yaml").write_text(_FAILING, encoding="utf-8")
    (fixtures / "pass-simple.yaml").write_text(_PASSING, encoding="utf-8")
    for path in (declaration, fixtures / "fail-simple.yaml", fixtures / "pass-simple.yaml"):
        click.echo(f"wrote {path.relative_to(ROOT)}")
    click.echo(
        "Next: write the rule, then `pytest tests/test_rules.py --update-golden -k"
        f" {rule_id}` and `make docs`."
    )


if __name__ == "__main__":
    main()
