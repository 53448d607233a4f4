"""Writes the generated documentation: a page for each rule, the references, the man page.

The page of a rule comes from its declaration and its fixtures. `python -m meshlint.docgen` writes,
with `--check` it tells what is out of date.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from meshlint import manual
from meshlint.ruleset import PROFILES, Rule, load_builtin

ROOT = Path(__file__).parent.parent


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a page is stale.")
def main(check: bool) -> None:
    """Generate the documentation."""
    rules = load_builtin()
    pages = {ROOT / "docs" / "rules" / f"{rule.id}.md": rule_page(rule) for rule in rules}
    pages[ROOT / "docs" / "rules" / "README.md"] = overview(rules)
    pages[ROOT / "docs" / "checklist.md"] = manual.checklist(rules)
    pages[ROOT / "docs" / "reference" / "commands.md"] = manual.command_reference()
    pages[ROOT / "docs" / "reference" / "configuration.md"] = manual.configuration_reference()
    pages[ROOT / "man" / "meshlint.1"] = manual.man_page()
    stale = [path for path, text in pages.items() if not _holds(path, text)]
    left = [p for p in sorted((ROOT / "docs" / "rules").glob("*.md")) if p not in pages]
    if check:
        for path in (*stale, *left):
            click.echo(f"{path.relative_to(ROOT)} is out of date; run: make docs", err=True)
        raise SystemExit(1 if stale or left else 0)
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
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
    yield manual.NOTICE
    yield ""
    yield f"**{rule.title}.**"
    yield ""
    profiles = ", ".join(f"`{name}`" for name in PROFILES if name in rule.profiles or name == "all")
    category = f"[{rule.category}](README.md#{rule.category})"
    facts = [f"Severity {rule.severity}", f"category {category}", f"profiles {profiles}"]
    if rule.checklist:
        item = manual.CHECKLIST[rule.checklist]
        facts.append(f"checklist item [{rule.checklist}](../checklist.md#{item.anchor})")
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
    yield from _fix(rule)
    yield from _example(rule)
    yield from _parameters(rule)
    yield from _suppressing(rule)
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


def _fix(rule: Rule) -> Iterator[str]:
    if rule.fix is None:
        return
    description = re.sub(r"\{(\w+)\}", "…", rule.fix["description"])
    yield "## Fix"
    yield ""
    yield f"> {description}"
    yield ""
    if rule.fix["safety"] == "safe":
        yield "Safe: `meshlint --fix` carries it out where it can."
    else:
        yield (
            "Unsafe, somebody has to look at the result: `meshlint --unsafe-fixes` carries it out"
            " where it can. `--diff` shows it first."
        )
    yield ""


def _parameters(rule: Rule) -> Iterator[str]:
    if not rule.params:
        return
    yield "## Parameters"
    yield ""
    yield "| name | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, declared in rule.params.items():
        default = json.dumps(declared["default"], ensure_ascii=False)
        meaning = manual.cell(declared["description"])
        yield f"| `{name}` | {_type(declared)} | `{manual.cell(default)}` | {meaning} |"
    yield ""
    name, declared = next(iter(rule.params.items()))
    yield "They are set in `.meshlint.yaml`:"
    yield ""
    yield from _code(
        "yaml",
        f"rules:\n  {rule.id}:\n    params:\n"
        f"      {name}: {json.dumps(declared['default'], ensure_ascii=False)}\n",
    )


def _suppressing(rule: Rule) -> Iterator[str]:
    yield "## Suppress"
    yield ""
    if "any-file" in rule.subjects:
        yield (
            "Where the file cannot be mended, leave it out with `exclude` in `.meshlint.yaml`, or"
            " the rule with `ignore`."
        )
        yield ""
        return
    yield "One finding, by a comment in its line or in the line above:"
    yield ""
    yield from _code("yaml", f"# meshlint: ignore[{rule.id}] reason")
    yield "One object, by an annotation:"
    yield ""
    yield from _code("yaml", f"metadata:\n  annotations:\n    ignore.meshlint.io/{rule.id}: reason")
    yield (
        "More in [Suppress and waive](../how-to/suppress.md), with waivers for many objects and"
        " decisions that expire."
    )
    yield ""


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
    """The shortest failing fixture, its output, and the shortest passing one."""
    directory = ROOT / "fixtures" / rule.id
    failing = _shortest(directory, "fail-*")
    passing = _shortest(directory, "pass-*")
    if failing is None:
        return
    yield "## Example"
    yield ""
    yield from _case(failing)
    golden = failing.with_name(f"{failing.name.removesuffix('.yaml')}.out")
    if golden.is_file():
        yield "meshlint says:"
        yield ""
        yield from _code("text", golden.read_text(encoding="utf-8"))
    if passing is not None:
        yield "This passes:"
        yield ""
        yield from _case(passing)


def _shortest(directory: Path, pattern: str) -> Path | None:
    """The fixture with the least text, one that is a file before one that is a folder."""
    cases = [
        path
        for path in directory.glob(pattern)
        if not path.name.endswith((".fixed.yaml", ".fixed"))
        and (path.is_dir() or path.suffix == ".yaml")
    ]
    return min(
        cases,
        key=lambda p: (p.is_dir(), sum(f.stat().st_size for f in _files(p)), p.name),
        default=None,
    )


def _files(case: Path) -> list[Path]:
    return sorted(p for p in case.rglob("*") if p.is_file()) if case.is_dir() else [case]


def _case(case: Path) -> Iterator[str]:
    for path in _files(case):
        text = path.read_bytes().decode("utf-8", "backslashreplace")
        title = f' title="{path.relative_to(case).as_posix()}"' if case.is_dir() else ""
        yield from _code(f"yaml{title}", text)


def _code(language: str, text: str) -> Iterator[str]:
    fence = "```"
    while fence in text:
        fence += "`"
    yield f"{fence}{language}"
    yield text.rstrip("\n")
    yield fence
    yield ""


def overview(rules: tuple[Rule, ...]) -> str:
    """The list of all rules, by category."""
    categories = sorted({rule.category for rule in rules})
    intro = (
        f"{len(rules)} rules in {len(categories)} categories. `meshlint explain RULE` shows a page"
        " in the terminal. The column *fix* says what `--fix` (safe) and `--unsafe-fixes` (unsafe)"
        " can mend."
    )
    lines = [
        "# Rules",
        "",
        manual.NOTICE,
        "",
        intro,
        "",
    ]
    for category in categories:
        lines += [
            f"## {category}",
            "",
            "| rule | what it reports | severity | profiles | checklist | fix |",
            "|---|---|---|---|---|---|",
        ]
        for rule in rules:
            if rule.category == category:
                cells = (
                    f"[{rule.id}]({rule.id}.md)",
                    manual.cell(rule.title),
                    rule.severity,
                    ", ".join((*rule.profiles, "all")),
                    rule.checklist or "",
                    rule.fix["safety"] if rule.fix else "",
                )
                lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
