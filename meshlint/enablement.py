"""Which rules run where, how severe they are and with what parameters."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any

from meshlint.dataclass import dataclass, field, replace
from meshlint.findings import Severity
from meshlint.ruleset import Rule, named_rules

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


@dataclass(frozen=True)
class EnabledRule:
    """A rule with what the configuration makes of it."""

    rule: Rule
    severity: Severity
    given: Mapping[str, Any]
    """Parameters that the configuration sets."""
    everywhere: bool = True
    """False for a rule that runs only where an override selects it."""

    @cached_property
    def params(self) -> Mapping[str, Any]:
        """What the check gets: parameters that are set, the defaults of the others, arguments."""
        return {**self.rule.defaults, **self.given} if self.given else self.rule.defaults


def enable(
    rule: Rule,
    severity: Severity | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    everywhere: bool = True,
) -> EnabledRule:
    """A rule with its defaults, unless the configuration says otherwise."""
    return EnabledRule(rule, severity or rule.severity, params or {}, everywhere)


@dataclass(frozen=True, slots=True)
class Override:
    """An entry of `overrides` in the configuration: what is different for some files or namespaces.

    `paths` are patterns as in .gitignore, relative to `directory`; `namespaces` are globs. Where
    both are given, both have to match.
    """

    directory: str = ""
    paths: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Severity and parameters by rule id."""


class Overrides:
    """All overrides, applied in their order: the last one that says something wins."""

    def __init__(self, entries: Sequence[Override] = (), rules: Sequence[Rule] = ()) -> None:
        """Raises `meshlint.ruleset.SelectionError` for names of no rule or category."""
        self._entries = tuple(entries)
        self._on = [named_rules(rules, entry.select) for entry in entries]
        self._off = [named_rules(rules, entry.ignore) for entry in entries]
        self._matching: dict[tuple[str, str], tuple[int, ...]] = {}
        self._effective: dict[tuple[str, tuple[int, ...]], EnabledRule | None] = {}
        self._specs: dict[int, GitIgnoreSpec] = {}

    def __bool__(self) -> bool:
        return bool(self._entries)

    @property
    def selected(self) -> frozenset[str]:
        """Rules that run somewhere because an override says so."""
        return frozenset[str]().union(*self._on)

    def moved(self, moved: Callable[[str], str]) -> Overrides:
        """The same overrides for a copy of the tree, by where its directories are."""
        copy = Overrides()
        entries = [replace(entry, directory=moved(entry.directory)) for entry in self._entries]
        copy._entries, copy._on, copy._off = tuple(entries), self._on, self._off
        return copy

    def effective(self, enabled: EnabledRule, path: str, namespace: str) -> EnabledRule | None:
        """A rule as it is for an object of a file and a namespace; None where it does not run."""
        place = (path, namespace)
        matching = self._matching.get(place)
        if matching is None:
            found = [at for at, entry in enumerate(self._entries) if self._matches(at, *place)]
            matching = self._matching[place] = tuple(found)
        if not matching:
            return enabled if enabled.everywhere else None
        key = (enabled.rule.id, matching)
        if key not in self._effective:
            self._effective[key] = self._apply(enabled, matching)
        return self._effective[key]

    def _matches(self, at: int, path: str, namespace: str) -> bool:
        entry = self._entries[at]
        if entry.namespaces and not any(fnmatchcase(namespace, glob) for glob in entry.namespaces):
            return False
        if not entry.paths:
            return True
        if at not in self._specs:
            from pathspec import GitIgnoreSpec

            self._specs[at] = GitIgnoreSpec.from_lines(entry.paths)
        relative = os.path.relpath(path, entry.directory) if entry.directory else path
        return bool(self._specs[at].match_file(relative))

    def _apply(self, enabled: EnabledRule, matching: tuple[int, ...]) -> EnabledRule | None:
        rule = enabled.rule.id
        runs = enabled.everywhere
        for at in matching:
            runs = (runs or rule in self._on[at]) and rule not in self._off[at]
            said = self._entries[at].rules.get(rule, {})
            enabled = replace(
                enabled,
                severity=said.get("severity", enabled.severity),
                given={**enabled.given, **said.get("params", {})},
            )
        return enabled if runs else None


NO_OVERRIDES = Overrides()
