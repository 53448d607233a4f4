"""Rules as text: the list of all of them, and one rule's page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from meshlint.reporters.terminal import BOLD, SEVERITY_COLORS, paint, wrap

if TYPE_CHECKING:
    from meshlint.findings import RuleInfo


def render_rules(rules: Sequence[RuleInfo], format_name: str, width: int) -> str:
    """Every rule, as `text`, `json` or `markdown`."""
    if format_name == "json":
        return json.dumps([_entry(rule) for rule in rules], indent=2, ensure_ascii=False) + "\n"
    if format_name == "markdown":
        return _markdown(rules)
    lines = []
    for category in sorted({rule.category for rule in rules}):
        lines.append(category)
        members = [rule for rule in rules if rule.category == category]
        column = max(len(rule.id) for rule in members)
        for rule in members:
            room = max(20, width - column - 12)
            first, *more = wrap(rule.title, room) or [""]
            lines.append(f"  {rule.id:<{column}}  {rule.severity:<7} {first}")
            lines += [" " * (column + 12) + line for line in more]
        lines.append("")
    lines.append(f"{len(rules)} rules; meshlint explain RULE tells more about one.")
    return "\n".join(lines) + "\n"


def _entry(rule: RuleInfo) -> dict[str, Any]:
    return {
        "id": rule.id,
        "title": rule.title,
        "category": rule.category,
        "severity": rule.severity,
        "profiles": [*rule.profiles, "all"],
        "checklist": rule.checklist or None,
        "covers": list(rule.covers),
        "rationale": rule.rationale,
        "remediation": rule.remediation,
        "references": list(rule.references),
    }


def _markdown(rules: Sequence[RuleInfo]) -> str:
    lines = [
        "| rule | severity | profiles | checklist | what it reports |",
        "|---|---|---|---|---|",
    ]
    for rule in rules:
        profiles = ", ".join((*rule.profiles, "all"))
        cells = (f"`{rule.id}`", rule.severity, profiles, rule.checklist, rule.title)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def render_rule(
    rule: RuleInfo,
    parameters: Mapping[str, tuple[Any, str]],
    width: int,
    *,
    color: bool,
) -> str:
    """One rule's page; `parameters` gives the default and the meaning of each."""
    head = paint(f"{rule.severity}[{rule.id}]", SEVERITY_COLORS[rule.severity], color)
    lines = [f"{head} {paint(rule.title, BOLD, color)}", ""]
    facts = [f"category {rule.category}", "profiles " + ", ".join((*rule.profiles, "all"))]
    if rule.checklist:
        facts.append(f"checklist item {rule.checklist}")
    if rule.concern:
        facts.append(f"runs where the input is complete for {rule.concern}")
    lines += wrap("; ".join(facts), width)
    for title, body in (("Why it matters", rule.rationale), ("What to do", rule.remediation)):
        lines += ["", paint(title, BOLD, color), *_prose(body, width)]
    if parameters:
        lines += ["", paint("Parameters", BOLD, color)]
        for name, (default, meaning) in parameters.items():
            lines += [f"  {name} = {json.dumps(default, ensure_ascii=False)}"]
            lines += [f"      {line}" for line in wrap(meaning, width - 6)]
        lines += ["", *wrap(f"Set them in .meshlint.yaml under rules.{rule.id}.params.", width)]
    if rule.references:
        lines += ["", paint("References", BOLD, color), *(f"  {r}" for r in rule.references)]
    if rule.covers:
        lines += ["", paint("Includes", BOLD, color), *wrap(", ".join(rule.covers), width)]
    return "\n".join(lines) + "\n"


def _prose(body: str, width: int) -> list[str]:
    """Markdown paragraphs filled to the width; code blocks, lists and tables as they are."""
    lines: list[str] = []
    paragraph: list[str] = []
    fenced = False

    def flush() -> None:
        if paragraph:
            lines.extend(wrap(" ".join(paragraph), width))
            paragraph.clear()

    for line in body.strip().splitlines():
        if line.strip().startswith("```"):
            flush()
            fenced = not fenced
        elif fenced:
            lines.append("    " + line)
        elif not line.strip():
            flush()
            lines.append("")
        elif line.lstrip().startswith(("- ", "* ", "|")):
            flush()
            lines.append(line)
        else:
            paragraph.append(line.strip())
    flush()
    return lines
