"""Writes `docs/rules/`: one page a rule, from its declaration and its fixtures.

`python -m meshlint.docgen` writes, `python -m meshlint.docgen --check` tells what is out of date.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from meshlint.ruleset import PROFILES, Rule, load_builtin

ROOT = Path(__file__).parent.parent


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a page is stale.")
def main(check: bool) -> None:
    """Generate the documentation of the rules."""
    rules = load_builtin()
    pages = {ROOT / "docs" / "rules" / f"{rule.id}.md": rule_page(rule) for rule in rules}
    pages[ROOT / "docs" / "rules" / "README.md"] = overview(rules)
    stale = [path for path, text in pages.items() if not _holds(path, text)]
    left = [p for p in sorted((ROOT / "docs" / "rules").glob("*.md")) if p not in pages]
    if check:
        for path in (*stale, *left):
            click.echo(f"{path.relative_to(ROOT)} is out of date; run: make docs", err=True)
        raise SystemExit(1 if stale or left else 0)
    (ROOT / "docs" / "rules").mkdir(parents=True, exist_ok=True)
    for path in stale:
        path.write_text(pages[path], encoding="utf-8")
    for path in left:
        path.unlink()
    click.echo(f"{len(pages)} pages, {len(stale)} written, {len(left)} deleted")


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def rule_page(rule: Rule) -> str:
    """The page of one rule, in Markdown."""
    return "\n".join(_page(rule)).rstrip() + "\n"


def _page(rule: Rule) -> Iterator[str]:
    yield f"# {rule.id}"
    yield ""
    yield f"**{rule.title}.**"
    yield ""
    profiles = ", ".join(f"`{name}`" for name in PROFILES if name in rule.profiles or name == "all")
    facts = [f"Severity {rule.severity}", f"category `{rule.category}`", f"profiles {profiles}"]
    if rule.checklist:
        facts.append(f"checklist item `{rule.checklist}`")
    yield "; ".join(facts) + "."
    yield ""
    yield from _context(rule)
    yield "## Why it matters"
    yield ""
    yield rule.rationale.strip()
    yield ""
    yield "## What to do"
    yield ""
    yield rule.remediation.strip()
    yield ""
    yield from _example(rule)
    if rule.params:
        yield "## Parameters"
        yield ""
        yield "| name | type | default | meaning |"
        yield "|---|---|---|---|"
        for name, declared in rule.params.items():
            default = json.dumps(declared["default"], ensure_ascii=False)
            kind = _type(declared)
            yield f"| `{name}` | {kind} | `{default}` | {declared['description']} |"
        yield ""
    if rule.covers:
        yield "## Checks of other tools that this rule includes"
        yield ""
        yield ", ".join(f"`{name}`" for name in rule.covers)
        yield ""
    if rule.references:
        yield "## References"
        yield ""
        for reference in rule.references:
            yield f"- <{reference}>" if reference.startswith("http") else f"- {reference}"


def _context(rule: Rule) -> Iterator[str]:
    if rule.context == "related":
        yield (
            "The rule looks at other objects too; it is silent where those cannot be in the input."
        )
        yield ""
    elif rule.context == "closed-world":
        yield (
            "The rule says that something is absent. It runs only where the input is complete for"
            f" `{rule.concern}`; `meshlint check -v` tells whether it was, and why."
        )
        yield ""


def _type(declared: dict[str, Any]) -> str:
    kind = str(declared.get("type", "any"))
    inner = declared.get("items", {}).get("type") if kind == "array" else None
    return f"list of {inner}" if inner else kind


def _example(rule: Rule) -> Iterator[str]:
    """The first failing fixture that is one file, its output, and the first passing one."""
    directory = ROOT / "fixtures" / rule.id
    failing = sorted(directory.glob("fail-*.yaml"))
    passing = sorted(directory.glob("pass-*.yaml"))
    if failing:
        yield "## Example"
        yield ""
        yield from _code("yaml", failing[0].read_text(encoding="utf-8"))
        golden = failing[0].with_suffix(".out")
        if golden.is_file():
            yield "meshlint says:"
            yield ""
            yield from _code("text", golden.read_text(encoding="utf-8"))
    if failing and passing:
        yield "This passes:"
        yield ""
        yield from _code("yaml", passing[0].read_text(encoding="utf-8"))


def _code(language: str, text: str) -> Iterator[str]:
    yield f"```{language}"
    yield text.rstrip("\n")
    yield "```"
    yield ""


_HEAD = "| rule | severity | profiles | checklist | what it reports |"


def overview(rules: tuple[Rule, ...]) -> str:
    """The list of all rules, by category."""
    lines = [
        "# Rules",
        "",
        f"{len(rules)} rules. `meshlint explain RULE` shows a page in the terminal.",
        "",
    ]
    for category in sorted({rule.category for rule in rules}):
        lines += [
            f"## {category}",
            "",
            "| rule | severity | profiles | checklist | what it reports |",
        ]
        lines.append("|---|---|---|---|---|")
        for rule in rules:
            if rule.category == category:
                profiles = ", ".join((*rule.profiles, "all"))
                lines.append(
                    f"| [{rule.id}]({rule.id}.md) | {rule.severity} | {profiles} |"
                    f" {rule.checklist or ''} | {rule.title} |"
                )
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
