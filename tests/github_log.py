"""What GitHub makes of the log of a step.

Written from the facts about actions/runner: a line is a command where, blanks in front left out, it
starts with `::` and has another `::`; between them stand the name and properties divided by commas.
`%0D`, `%0A`, `%3A`, `%2C` and `%25` in property values are put back, in the message all but `%3A`
and `%2C`. A line that is none may hold `##[name properties]message` anywhere. The runner passes on
ten annotations of each level.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

KNOWN = frozenset(
    {"error", "warning", "notice", "debug", "group", "endgroup", "add-mask", "add-matcher"}
    | {"remove-matcher", "set-output", "save-state", "set-env", "add-path", "echo", "stop-commands"}
)
_DATA = (("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
_PROPERTY = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))


@dataclass(frozen=True)
class Command:
    """One command, unescaped."""

    name: str
    properties: dict[str, str]
    message: str


def read(log: str) -> tuple[list[Command], list[str]]:
    """The commands of a log, and the lines that are none."""
    commands, rest = [], []
    for line in re.split(r"\r\n|\r|\n", log):
        command = _parse(line)
        if command is not None:
            commands.append(command)
        elif line:
            assert "##[" not in line, "an old-style command"
            rest.append(line)
    return commands, rest


def annotations(commands: list[Command]) -> list[Command]:
    """Those that are shown: ten of each level, without columns where lines differ."""
    seen: Counter[str] = Counter()
    shown = []
    for command in commands:
        seen[command.name] += 1
        if command.name in ("error", "warning", "notice") and seen[command.name] <= 10:
            properties = {name: value for name, value in command.properties.items() if value}
            if properties.get("line") != properties.get("endLine", properties.get("line")):
                properties = {k: v for k, v in properties.items() if k not in ("col", "endColumn")}
            shown.append(Command(command.name, properties, command.message[:4096]))
    return shown


def _parse(line: str) -> Command | None:
    line = line.lstrip()
    end = line.find("::", 2)
    if not line.startswith("::") or end < 0:
        return None
    name, _, given = line[2:end].partition(" ")
    if name not in KNOWN:
        return None
    properties = {}
    for pair in filter(None, given.strip().split(",")):
        key, equals, value = pair.partition("=")
        assert equals, f"{pair!r} is no property"
        properties[key] = _unescaped(value, _PROPERTY)
    return Command(name, properties, _unescaped(line[end + 2 :], _DATA))


def _unescaped(text: str, escapes: tuple[tuple[str, str], ...]) -> str:
    for escape, character in escapes:
        text = text.replace(escape, character)
    return text
