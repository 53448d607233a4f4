"""The configuration file `.meshlint.yaml`: finding, validating, reading it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from meshlint.dataclass import dataclass, field
from meshlint.documents import Document, parse
from meshlint.enablement import Override
from meshlint.findings import Path as Steps
from meshlint.mesh.settings import HelmValues, Settings
from meshlint.mesh.versions import NEWEST_KUBERNETES, Version, parse_version
from meshlint.ruleset import Rule, suggestion
from meshlint.suppressions import Waiver
from meshlint.text import SourceFile

FILE_NAMES = (".meshlint.yaml", ".meshlint.yml")
SCHEMA_FILE = Path(__file__).with_name("config.schema.json")


class ConfigError(Exception):
    """A configuration that cannot be used; the text names the file, the place and the reason."""


@dataclass(frozen=True, slots=True)
class Config:
    """What a configuration file says; the defaults stand for a run without one."""

    directory: Path = Path()
    """Paths in the file are relative to this."""
    include: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    crds: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    profile: str | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_on: str | None = None
    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    sizing: Mapping[str, Any] = field(default_factory=dict)
    """Figures that the team has measured, by the parameter of the rules that take them."""
    overrides: tuple[Override, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    baseline: str | None = None
    document: Document | None = None


def find_config(start: Path) -> Path | None:
    """The configuration file of a directory or the nearest one above it."""
    for directory in (start, *start.parents):
        for name in FILE_NAMES:
            if (directory / name).is_file():
                return directory / name
    return None


def load_config(path: Path, display: str) -> Config:
    """Reads a configuration file. Raises `ConfigError`."""
    try:
        file = SourceFile(display, path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{display}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{display}: is not UTF-8") from None
    parsed = parse(file)
    for problem in parsed.problems:
        what = f"key {problem.message!r} is given twice"
        message = what if problem.kind == "duplicate-key" else problem.message
        raise ConfigError(f"{_at(file, problem.span.start)}: {message}")
    if not parsed.documents:
        return Config(directory=path.parent)
    document = parsed.documents[0]
    if len(parsed.documents) > 1 or not isinstance(document.value, dict):
        raise ConfigError(f"{display}: a configuration is one mapping")
    _validate(document)
    return _config(path.parent, document)


def _at(file: SourceFile, offset: int) -> str:
    position = file.position(offset)
    return f"{file.path}:{position.line}:{position.column}"


def _validate(document: Document) -> None:
    import jsonschema_rs

    schema = json.loads(SCHEMA_FILE.read_bytes())
    if jsonschema_rs.validator_for(schema).is_valid(document.value):
        return
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(schema).iter_errors(document.value))
    assert error is not None
    steps = tuple(error.absolute_path)
    raise ConfigError(_explain(document, steps, error))


def _explain(document: Document, steps: tuple[Any, ...], error: Any) -> str:
    where = ".".join(map(str, steps)) or "configuration"
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = next(key for key in error.instance if key not in known)
        span = document.key_span((*steps, unknown)) or document.span
        prefix = f"{where}: " if steps else ""
        return (
            f"{_at(document.file, span.start)}: {prefix}there is no key"
            f" {unknown!r}{suggestion(unknown, known)}"
        )
    span = document.span_of(steps) or document.span
    if error.validator == "enum":
        allowed = ", ".join(map(str, error.validator_value))
        near = suggestion(str(error.instance), map(str, error.validator_value))
        reason = f"{error.instance!r} is none of {allowed}{near}"
    elif error.validator == "type":
        wanted = error.validator_value
        wanted = wanted if isinstance(wanted, str) else " or ".join(wanted)
        reason = f"{error.instance!r} is not of type {wanted}"
    else:
        reason = error.message
    return f"{_at(document.file, span.start)}: {where}: {reason}"


def _config(directory: Path, document: Document) -> Config:
    value: dict[str, Any] = document.value
    versions = {key: _version(document, key) for key in ("istio-version", "kubernetes-version")}
    native = value.get("native-sidecars", "auto")
    settings = Settings(
        istio_version=versions["istio-version"],
        kubernetes_version=versions["kubernetes-version"] or NEWEST_KUBERNETES,
        kubernetes_version_given=versions["kubernetes-version"] is not None,
        root_namespace=value.get("root-namespace"),
        cluster_domain=value.get("cluster-domain"),
        trust_domain=value.get("trust-domain"),
        auto_mtls=value.get("auto-mtls"),
        native_sidecars=None if native == "auto" else native,
        istio_cni=value.get("istio-cni"),
        injected_namespaces=frozenset(value.get("injected-namespaces", ())),
        annotation_prefix=value.get("annotation-prefix", Settings().annotation_prefix),
        complete=value.get("complete", {}),
        helm_values=tuple(
            HelmValues(entry["path"], entry["chart"]) for entry in value.get("helm-values", ())
        ),
    )
    return Config(
        directory=directory,
        include=tuple(value.get("include", ())),
        context=tuple(value.get("context", ())),
        crds=tuple(value.get("crds", ())),
        exclude=tuple(value.get("exclude", ())),
        profile=value.get("profile"),
        select=tuple(value.get("select", ())),
        ignore=tuple(value.get("ignore", ())),
        fail_on=value.get("fail-on"),
        rules=value.get("rules", {}),
        sizing={_SIZING[key]: figure for key, figure in value.get("sizing", {}).items()},
        settings=settings,
        overrides=tuple(
            Override(
                directory=str(directory),
                paths=tuple(entry.get("paths", ())),
                namespaces=tuple(entry.get("namespaces", ())),
                select=tuple(entry.get("select", ())),
                ignore=tuple(entry.get("ignore", ())),
                rules=entry.get("rules", {}),
            )
            for entry in value.get("overrides", ())
        ),
        baseline=value.get("baseline"),
        waivers=tuple(_waivers(directory, document)),
        document=document,
    )


def _waivers(directory: Path, document: Document) -> Iterator[Waiver]:
    for at, entry in enumerate(document.value.get("waivers", ())):
        path = ("waivers", at)
        until = None
        if "until" in entry:
            try:
                until = date.fromisoformat(entry["until"])
            except ValueError:
                span = document.span_of((*path, "until")) or document.span
                raise ConfigError(
                    f"{_at(document.file, span.start)}: waivers.{at}.until:"
                    f" {entry['until']!r} is no date such as 2027-01-31"
                ) from None
        yield Waiver(
            names=tuple(entry["rules"]),
            document=document,
            path=path,
            directory=str(directory),
            files=entry.get("path", ""),
            until=until,
            **{
                key: entry.get(key, "")
                for key in ("kind", "name", "namespace", "container", "reason", "owner")
            },
        )


def _version(document: Document, key: str) -> Version | None:
    if key not in document.value:
        return None
    span = document.span_of((key,)) or document.span
    # As written: to YAML, 1.30 is the number 1.3.
    written = document.file.text[span.start : span.end].strip("'\"")
    version = parse_version(written)
    if version is None:
        raise ConfigError(
            f"{_at(document.file, span.start)}: {key}: {written!r} is no version such as 1.27"
        )
    return version


# Parameters of rules that a figure of `sizing` stands for.
_SIZING = {
    "cpu-per-1000rps": "cpu_per_1000rps",
    "memory-per-1000rps": "memory_per_1000rps",
    "base-memory": "base_memory",
}


def check_rule_settings(config: Config, rules: Mapping[str, Rule]) -> None:
    """Raises `ConfigError` when a rule or a parameter in the configuration does not exist."""
    document = config.document
    if document is None:
        return
    _check_rules(document, ("rules",), document.value.get("rules", {}), rules)
    categories = {rule.category for rule in rules.values()}
    for at, override in enumerate(config.overrides):
        _check_rules(document, ("overrides", at, "rules"), override.rules, rules)
        for key, names in (("select", override.select), ("ignore", override.ignore)):
            for number, name in enumerate(names):
                if name not in rules and name not in categories:
                    span = document.span_of(("overrides", at, key, number)) or document.span
                    raise ConfigError(
                        f"{_at(document.file, span.start)}: overrides: there is no rule or"
                        f" category {name!r}{suggestion(name, {*rules, *categories})}"
                    )


def _check_rules(
    document: Document, home: Steps, entries: Mapping[str, Any], rules: Mapping[str, Rule]
) -> None:
    if not entries:
        return
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    for name, entry in entries.items():
        rule = rules.get(name)
        if rule is None:
            span = document.key_span((*home, name)) or document.span
            raise ConfigError(
                f"{_at(document.file, span.start)}: rules: there is no rule"
                f" {name!r}{suggestion(name, rules)}"
            )
        for key, value in entry.get("params", {}).items():
            path = (*home, name, "params", key)
            if key not in rule.params:
                span = document.key_span(path) or document.span
                raise ConfigError(
                    f"{_at(document.file, span.start)}: rule {name} has no parameter"
                    f" {key!r}{suggestion(key, rule.params)}"
                )
            error = best_match(Draft202012Validator(dict(rule.params[key])).iter_errors(value))
            if error is not None:
                span = document.span_of(path) or document.span
                at = _at(document.file, span.start)
                raise ConfigError(f"{at}: rule {name}, parameter {key}: {error.message}")
