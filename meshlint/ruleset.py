"""Rule declarations: loading, validating, compiling, selecting.

A rule is one file, `rules/<category>/<id>.yaml`. The directory is the registry: there is no list to
edit. A release ships the declarations compiled to JSON, so that a start parses no YAML.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import meshlint
from meshlint.dataclass import dataclass
from meshlint.documents import parse
from meshlint.findings import Severity
from meshlint.patterns import regexp
from meshlint.text import SourceFile
from meshlint.writing import write_whole

Context = Literal["self", "related", "closed-world"]
Check = Callable[[Any, Any, Mapping[str, Any]], Iterable[Any]]

PROFILES = ("production", "recommended", "security", "all")
"""Selections of rules; `all` holds every rule and is never written in a declaration."""

_PACKAGE = Path(__file__).parent
_SHIPPED = _PACKAGE / "_rules"
_CHECKOUT = _PACKAGE.parent / "rules"
_CACHE = _PACKAGE.parent / ".cache" / "meshlint-rules.json"
SCHEMA_FILE = _PACKAGE / "rule.schema.json"

# What only the documentation and some reporters need; kept apart from what every start reads.
_PROSE = ("rationale", "remediation", "references")


class RuleError(Exception):
    """A declaration that cannot be used; the text names the file, the place and the reason."""


@dataclass(frozen=True)
class Rule:
    """One rule as declared."""

    id: str
    category: str
    title: str
    severity: Severity
    profiles: tuple[str, ...]
    subjects: tuple[str, ...]
    """Kinds (`apps/Deployment`) or roles (`injected-workload`) that the check is run on."""
    context: Context
    checklist: str | None
    """Readiness item the rule belongs to."""
    concern: str | None
    """What the input must be complete for, for rules with context `closed-world`."""
    source: str
    """Where the declaration stands, for messages about it; empty for compiled rules."""
    _rest: str | Mapping[str, Any]
    """The other keys of the declaration, as JSON where they have been compiled."""

    @cached_property
    def _declared(self) -> Mapping[str, Any]:
        # Of most rules nothing but their subjects is ever needed.
        rest: Mapping[str, Any] = (
            json.loads(self._rest) if isinstance(self._rest, str) else self._rest
        )
        return rest

    @cached_property
    def messages(self) -> Mapping[str, str]:
        """Templates of messages by name."""
        message = self._declared["message"]
        return message if isinstance(message, dict) else {"default": message}

    @cached_property
    def params(self) -> Mapping[str, Any]:
        """JSON Schema of each parameter by name, with its default."""
        params: Mapping[str, Any] = self._declared.get("params", {})
        return params

    @cached_property
    def arguments(self) -> Mapping[str, Any]:
        """Fixed values handed to the check beside the parameters."""
        arguments: Mapping[str, Any] = self._declared.get("arguments", {})
        return arguments

    @property
    def python(self) -> str | None:
        """`module.function` in `meshlint.checks`."""
        return self._declared.get("python")

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """JSON Schema that a good subject satisfies."""
        return self._declared.get("schema")

    @cached_property
    def fix(self) -> Mapping[str, str] | None:
        """`safety` and `description` of the fix that hits of the check may carry."""
        return self._declared.get("fix")

    @cached_property
    def covers(self) -> tuple[str, ...]:
        """Checks of other tools that this rule includes: `kube-score:container-resources`."""
        return tuple(self._declared.get("covers", ()))

    @cached_property
    def check(self) -> Check:
        """The function that looks at one subject. Raises `RuleError` when it does not exist."""
        if self.python is not None:
            return _named_check(self.python, self.source or self.id)
        from meshlint.checks.schema import schema_check

        assert self.schema is not None
        try:
            return schema_check(self.schema)
        except ValueError as error:
            raise _no_schema(self.source or self.id, "schema.must", error) from None

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """What the check gets when nobody sets a parameter."""
        return {
            **self.arguments,
            **{name: declared.get("default") for name, declared in self.params.items()},
        }

    @cached_property
    def _docs(self) -> Mapping[str, Any]:
        return self._declared if "rationale" in self._declared else _shipped_prose(self.id)

    @property
    def rationale(self) -> str:
        """Why the defect matters, in Markdown."""
        return str(self._docs.get("rationale", ""))

    @property
    def remediation(self) -> str:
        """What to do about it, in Markdown."""
        return str(self._docs.get("remediation", ""))

    @property
    def references(self) -> tuple[str, ...]:
        """Where the facts come from."""
        return tuple(self._docs.get("references", ()))

    @property
    def help_uri(self) -> str:
        """Address of the rule's page; empty where it has none, as rules of a user's own."""
        own = self.source and not Path(self.source).is_relative_to(_CHECKOUT)
        return "" if own or not meshlint.DOCS_URL else f"{meshlint.DOCS_URL}/rules/{self.id}/"


def _no_schema(where: str, what: str, error: Exception) -> RuleError:
    reason = str(error).partition("\n")[0]
    return RuleError(f"{where}: {what}: is no JSON Schema that can be used: {reason}")


def _named_check(name: str, where: str) -> Check:
    module, _, function = name.partition(".")
    try:
        found = getattr(import_module(f"meshlint.checks.{module}"), function)
    except (ImportError, AttributeError):
        raise RuleError(f"{where}: there is no check named {name}") from None
    check: Check = found
    return check


# ------------------------------------------------------------------------------------- loading


def load_builtin() -> tuple[Rule, ...]:
    """Every rule that comes with meshlint, by id. Raises `RuleError` when a checkout is broken."""
    compiled = _SHIPPED / "rules.jsonl"
    text = compiled.read_text(encoding="utf-8") if compiled.is_file() else _checkout_declarations()
    heads, *rests = text.splitlines()
    return tuple(map(_rule, json.loads(heads), rests))


def load_directory(directory: Path) -> tuple[Rule, ...]:
    """Rules of a user's own folder, `[<category>/]<id>.yaml`. Raises `RuleError`.

    Loading runs no code of the folder.
    """
    if not directory.is_dir():
        raise RuleError(f"{directory}: no such directory of rules")
    rules = [_rule(entry) for entry in _read_declarations(directory)]
    if not rules:
        raise RuleError(f"{directory}: no rule in it; a rule is a file <category>/<id>.yaml")
    return tuple(rules)


def compile_rules(source: Path, target: Path) -> None:
    """Validates the declarations below `source` and writes `rules.jsonl` and `docs.tsv`.

    Raises `RuleError` for the first declaration that is not valid.
    """
    declared = _read_declarations(source)
    prose = [
        f"{entry['id']}\t{json.dumps({key: entry[key] for key in _PROSE if key in entry})}\n"
        for entry in declared
    ]
    lean = [{k: v for k, v in entry.items() if k not in (*_PROSE, "source")} for entry in declared]
    target.mkdir(parents=True, exist_ok=True)
    (target / "rules.jsonl").write_text(_compiled(lean), encoding="utf-8", newline="\n")
    (target / "docs.tsv").write_text("".join(prose), encoding="utf-8", newline="\n")


def _compiled(declarations: Sequence[Mapping[str, Any]]) -> str:
    """Declarations as text: the first line holds what every start reads, then one line a rule."""
    heads = [{key: entry[key] for key in _HEAD if key in entry} for entry in declarations]
    rests = [{k: v for k, v in entry.items() if k not in _HEAD} for entry in declarations]
    return "\n".join(json.dumps(part) for part in (heads, *rests))


@cache
def _shipped_lines() -> dict[str, str]:
    """What the release has on each rule for people, as JSON that is read when it is wanted."""
    try:
        lines = (_SHIPPED / "docs.tsv").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:  # a checkout, whose declarations hold it themselves
        return {}
    return dict(line.split("\t", 1) for line in lines)


def _shipped_prose(rule: str) -> Mapping[str, Any]:
    prose: dict[str, Any] = json.loads(_shipped_lines().get(rule, "{}"))
    return prose


def _rule_files(directory: Path) -> list[Path]:
    return sorted(path for pattern in ("*.yaml", "*/*.yaml") for path in directory.glob(pattern))


def _checkout_declarations() -> str:
    """Declarations of a source checkout, compiled again only after one of the files has changed."""
    files = [*_rule_files(_CHECKOUT), SCHEMA_FILE, Path(__file__)]
    stamp = [[str(path), path.stat().st_mtime_ns, path.stat().st_size] for path in files]
    try:
        cached = json.loads(_CACHE.read_bytes())
        if cached["stamp"] == stamp:
            return str(cached["compiled"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    compiled = _compiled(_read_declarations(_CHECKOUT))
    text = json.dumps({"stamp": stamp, "compiled": compiled})
    try:
        _CACHE.parent.mkdir(exist_ok=True)
        write_whole(_CACHE, text.encode())
    except OSError:
        pass  # a read-only checkout only costs the time
    return compiled


def _read_declarations(directory: Path) -> list[dict[str, Any]]:
    declarations = []
    seen: dict[str, Path] = {}
    for path in _rule_files(directory):
        entry = _read_declaration(path)
        if path.parent != directory:
            entry["category"] = path.parent.name
        entry.setdefault("category", "custom")
        entry["source"] = path.as_posix()
        if entry["id"] in seen:
            raise RuleError(f"{path}: rule {entry['id']} is declared in {seen[entry['id']]} too")
        seen[entry["id"]] = path
        declarations.append(entry)
    return sorted(declarations, key=lambda entry: str(entry["id"]))


def _read_declaration(path: Path) -> dict[str, Any]:
    try:
        file = SourceFile(path.as_posix(), path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"{path}: cannot be read: {error}") from None
    parsed = parse(file)
    if parsed.problems:
        problem = parsed.problems[0]
        at = file.position(problem.span.start)
        what = "duplicate key " if problem.kind == "duplicate-key" else ""
        raise RuleError(f"{path}:{at.line}:{at.column}: {what}{problem.message}")
    if len(parsed.documents) != 1 or not isinstance(parsed.documents[0].value, dict):
        raise RuleError(f"{path}: a rule is one mapping, and the only document of its file")
    document = parsed.documents[0]
    entry = dict(document.value)
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    fault = best_match(Draft202012Validator(_declaration_schema()).iter_errors(entry))
    if fault is not None:
        steps = tuple(fault.absolute_path)
        span = document.span_of(steps) or document.span
        at = file.position(span.start)
        where = ".".join(map(str, steps))
        raise RuleError(f"{path}:{at.line}:{at.column}: {where or 'rule'}: {fault.message}")
    from meshlint.checks.schema import compiled

    for name, declared in entry.get("params", {}).items():
        try:
            compiled(declared)
        except ValueError as error:  # noqa: PERF203 - the error says which one it is
            raise _no_schema(path.as_posix(), f"params.{name}", error) from None
    if entry["id"] != path.stem:
        raise RuleError(f"{path}: the id is {entry['id']}; it must equal the file name")
    if (entry["context"] == "closed-world") != ("concern" in entry):
        raise RuleError(f"{path}: context closed-world and a concern go together")
    return entry


@cache
def _declaration_schema() -> Any:
    return json.loads(SCHEMA_FILE.read_bytes())


_HEAD = (
    *("id", "category", "title", "severity", "profiles", "subjects", "context"),
    *("checklist", "concern", "source"),
)
"""What is asked of every rule at every start."""


def _rule(entry: Mapping[str, Any], rest: str | None = None) -> Rule:
    return Rule(
        entry["id"],
        entry["category"],
        entry["title"],
        entry["severity"],
        tuple(entry["profiles"]),
        tuple(entry["subjects"]),
        entry["context"],
        entry.get("checklist"),
        entry.get("concern"),
        entry.get("source", ""),
        entry if rest is None else rest,
    )


# ----------------------------------------------------------------------------------- selecting


class SelectionError(Exception):
    """A name in a selection that is neither a rule nor a category; the text proposes one."""


def select(
    rules: Sequence[Rule], profile: str, chosen: Sequence[str] = (), ignored: Sequence[str] = ()
) -> tuple[Rule, ...]:
    """Rules of a profile, plus those named in `chosen`, minus those named in `ignored`.

    Names are rule ids or categories. Raises `SelectionError`.
    """
    wanted = named_rules(rules, chosen)
    unwanted = named_rules(rules, ignored)
    return tuple(
        rule
        for rule in rules
        if rule.id not in unwanted
        and (rule.id in wanted or profile == "all" or profile in rule.profiles)
    )


def named_rules(rules: Sequence[Rule], names: Sequence[str]) -> set[str]:
    """Ids of the rules that names of rules and categories stand for. Raises `SelectionError`."""
    found: set[str] = set()
    ids = {rule.id for rule in rules}
    categories = {rule.category for rule in rules}
    for name in names:
        if name in ids:
            found.add(name)
        elif name in categories:
            found |= {rule.id for rule in rules if rule.category == name}
        else:
            near = suggestion(name, ids | categories)
            raise SelectionError(f"there is no rule or category {name!r}{near}")
    return found


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean X?` with the nearest known name, or nothing when none is near."""
    import difflib

    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


_PLACEHOLDER = regexp(r"\{([a-z][a-z0-9_]*)\}")


def format_message(template: str, args: Mapping[str, object]) -> str:
    """A message with its arguments filled in; nothing else of a template is interpreted."""
    return _PLACEHOLDER.sub(lambda match: str(args.get(match[1], match[0])), template)
