"""Runs rules over the world and turns what they say into findings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from itertools import groupby
from operator import itemgetter
from sys import intern
from typing import Any, Literal

from meshlint.dataclass import dataclass, field, replace
from meshlint.documents import Document, ParsedFile
from meshlint.enablement import NO_OVERRIDES, EnabledRule, Overrides
from meshlint.findings import (
    SEVERITIES,
    Assumption,
    FileEdit,
    Finding,
    Fix,
    Hit,
    In,
    ItemState,
    Location,
    Path,
    Readiness,
    Related,
    ResourceRef,
    Safety,
    Suppressed,
    TextHit,
    printable,
)
from meshlint.mesh.autoscaling import AUTOSCALER_KINDS, Autoscaler, make_autoscaler
from meshlint.mesh.installations.records import ControlPlane, GatewayProxy
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get, text
from meshlint.model.workloads import Workload
from meshlint.ruleset import Rule, format_message
from meshlint.suppressions import NONE, Suppression, Suppressions
from meshlint.text import SourceFile, Span

INTERNAL_ERROR = "internal-error"
"""Rule id of a finding about a check that crashed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of the engine found."""

    findings: tuple[Finding, ...]
    suppressed: tuple[Suppressed, ...]
    readiness: tuple[Readiness, ...]
    assumptions: tuple[Assumption, ...]
    crashes: tuple[str, ...]
    """Tracebacks of checks that crashed, for `-v`."""


def reporting(
    rules: Sequence[EnabledRule], overrides: Overrides = NO_OVERRIDES
) -> Callable[[str, Any, World], Iterable[Any]]:
    """Answers, for `World`, what an enabled rule reports of a subject."""
    table = {enabled.rule.id: enabled for enabled in rules}

    def hits(rule_id: str, subject: Any, world: World) -> Iterable[Any]:
        enabled = table.get(rule_id)
        if enabled is not None and overrides:
            enabled = _effective(overrides, enabled, subject)
        if enabled is None:
            return ()
        concern = enabled.rule.concern
        if concern is not None and not world.complete(concern).complete:
            return ()
        return enabled.rule.check(subject, world, enabled.params)

    return hits


@dataclass(slots=True)
class _Run:
    world: World
    suppressions: Suppressions = NONE
    overrides: Overrides = NO_OVERRIDES
    findings: list[Finding] = field(default_factory=list)
    suppressed: list[Suppressed] = field(default_factory=list)
    used: set[tuple[int, str]] = field(default_factory=set)
    """Suppressions and the rules of which they have hidden a finding."""
    failed: set[tuple[int, str]] = field(default_factory=set)
    waived: set[tuple[int, str]] = field(default_factory=set)
    crashes: list[str] = field(default_factory=list)
    assumptions: dict[str, Assumption] = field(default_factory=dict)


def run(
    world: World,
    rules: Sequence[EnabledRule],
    suppressions: Suppressions = NONE,
    overrides: Overrides = NO_OVERRIDES,
    jobs: int = 1,
) -> Outcome:
    """Runs every rule on all its subjects. A crash in a check is a finding.

    The outcome is the same whatever the number of `jobs`, processes that share the rules.
    """
    state = _Run(world, suppressions, overrides)
    unmet: set[str] = set()
    about_suppressions = []
    ready = []
    for enabled in rules:
        rule = enabled.rule
        if not _SUPPRESSION_ROLES.isdisjoint(rule.subjects):
            about_suppressions.append(enabled)
            continue
        if rule.concern is not None and not _complete(state, enabled, rule.concern):
            unmet.add(rule.id)
            continue
        ready.append(enabled)
    if jobs < 2 or not _run_in_processes(state, ready, jobs):
        for enabled in ready:
            _run_rule(state, enabled)
    ran = {enabled.rule.id for enabled in rules} - unmet
    # Last, when it is known what each suppression has hidden.
    for enabled in about_suppressions:
        for subject in _judged_suppressions(state, enabled, ran):
            _check(state, enabled, subject)
    # What a crash has kept from being worked out is known by its finding; the report goes without.
    readiness: tuple[Readiness, ...] = ()
    if not state.crashes:
        readiness = tuple(_readiness(state, rules, unmet))
    return Outcome(
        findings=tuple(_numbered(_ordered(state.findings))),
        suppressed=tuple(sorted(state.suppressed, key=lambda entry: _sort_key(entry.finding))),
        readiness=readiness,
        assumptions=tuple(state.assumptions[name] for name in sorted(state.assumptions)),
        crashes=tuple(state.crashes),
    )


def _run_rule(state: _Run, enabled: EnabledRule) -> None:
    for role in enabled.rule.subjects:
        for subject in _subjects(state, enabled, role):
            _check(state, enabled, subject)


def _run_in_processes(state: _Run, rules: Sequence[EnabledRule], jobs: int) -> bool:
    """Runs rules in processes of their own. False where that is impossible: nothing has been run.

    What a rule says does not depend on the rules before it, so any of them may run anywhere.
    """
    from meshlint.processes import CAN_FORK, gather

    if not CAN_FORK:
        return False
    subjects = []
    for enabled in rules:
        # Found before there are copies: subjects are told apart by their identity.
        found = [_subjects(state, enabled, role) for role in enabled.rule.subjects]
        subjects.append(sum(map(len, found)))
    # Those that take longest come first, so that no process has to wait for another one's last.
    order = sorted(range(len(rules)), key=lambda number: -subjects[number])

    def work(numbers: Iterator[int]) -> _Run:
        own = _Run(state.world, state.suppressions, state.overrides)
        for number in numbers:
            if subjects[number]:
                _run_rule(own, rules[number])
        return own

    index = state.world.index
    shared = [state.world, state.suppressions, state.overrides]
    shared += [file.file for file in index.files]
    shared += [document for file in index.files for document in file.documents]
    shared += [resource.ref for resource in index.resources]
    parts = gather(order, work, jobs, shared)
    if parts is None:
        return False
    for part in parts:
        state.findings += part.findings
        state.suppressed += part.suppressed
        state.used |= part.used
        state.failed |= part.failed
        state.waived |= part.waived
        state.crashes += part.crashes
    state.crashes.sort()
    return True


def _complete(state: _Run, enabled: EnabledRule, concern: str) -> bool:
    try:
        assumption = state.world.complete(concern)
    except Exception as error:  # noqa: BLE001 - one rule's trouble must not end the run
        _crash(state, enabled, None, error)
        return False
    state.assumptions[concern] = assumption
    return assumption.complete


def _subjects(state: _Run, enabled: EnabledRule, role: str) -> Sequence[Any]:
    try:
        return state.world.subjects(role)
    except Exception as error:  # noqa: BLE001 - one rule's trouble must not end the run
        _crash(state, enabled, None, error)
        return ()


def _check(state: _Run, enabled: EnabledRule, subject: Any) -> None:
    if state.overrides:
        effective = _effective(state.overrides, enabled, subject)
        if effective is None:
            return
        enabled = effective
    resource = _resource(subject)
    reported = resource.reported if resource is not None else _file_reported(state.world, subject)
    try:
        for hit in enabled.rule.check(subject, state.world, enabled.params):
            finding = _finding(state.world, enabled, subject, resource, hit)
            by = _suppression(state, finding, subject, resource, hit)
            if enabled.rule.checklist is not None:
                held = state.failed if by is None else state.waived
                held.add((id(subject), enabled.rule.id))
            if not reported or not _place_reported(state.world, hit):
                continue
            if by is None:
                state.findings.append(finding)
            else:
                state.suppressed.append(Suppressed(finding, by.origin, by.reason, by.owner))
    except Exception as error:  # noqa: BLE001 - see above
        _crash(state, enabled, subject, error)


def _effective(overrides: Overrides, enabled: EnabledRule, subject: Any) -> EnabledRule | None:
    if isinstance(subject, ParsedFile):
        return overrides.effective(enabled, subject.file.path, "")
    document = _document(subject)
    resource = _resource(subject)
    namespace = getattr(subject, "namespace", "") if resource is None else resource.namespace
    if resource is not None and resource.group_kind == "core/Namespace":
        namespace = resource.name
    path = document.file.path if document is not None else ""
    return overrides.effective(enabled, path, namespace if isinstance(namespace, str) else "")


_SUPPRESSION_ROLES = frozenset({"suppression", "unused-suppression"})


def _suppression(
    state: _Run, finding: Finding, subject: Any, resource: Resource | None, hit: Any
) -> Suppression | None:
    """What hides a finding, which thereby is used."""
    if not state.suppressions.all or isinstance(subject, Suppression | ParsedFile):
        return None
    document = hit.document if isinstance(hit, Hit) and hit.document else _document(subject)
    owner = resource
    if (
        isinstance(hit, Hit)
        and document is not None
        and (owner is None or owner.document is not document)
    ):
        owner = state.world.index.resource_at(document, hit.path)
    today = state.world.settings.today
    found = state.suppressions.hiding(finding, owner, document, today)
    if found is not None:
        state.used.add((id(found), finding.rule))
    return found


def _judged_suppressions(state: _Run, enabled: EnabledRule, ran: set[str]) -> Iterator[Suppression]:
    """Suppressions of the reported input; of the unused ones, what is left of their names."""
    context = state.world.index.context_files
    for suppression in state.suppressions.all:
        if suppression.file.path in context:
            continue
        if suppression.origin == "other tool":
            continue
        if "suppression" in enabled.rule.subjects:
            yield suppression
            continue
        if suppression.is_expired(state.world.settings.today):
            continue
        idle = [
            name
            for name in suppression.names
            if name.rules & ran and not any((id(suppression), r) in state.used for r in name.rules)
        ]
        if idle:
            yield replace(suppression, names=tuple(idle))


def _resource(subject: Any) -> Resource | None:
    if isinstance(subject, Resource):
        return subject
    found = getattr(subject, "resource", None)
    return found if isinstance(found, Resource) else None


def _document(subject: Any) -> Document | None:
    found = getattr(subject, "document", None)
    if isinstance(found, Document):
        return found
    resource = _resource(subject)
    return resource.document if resource is not None else None


def _file_reported(world: World, subject: Any) -> bool:
    if isinstance(subject, ParsedFile):
        return subject.file.path not in world.index.context_files
    document = _document(subject)
    return document is None or document.file.path not in world.index.context_files


def _place_reported(world: World, hit: Any) -> bool:
    # A finding may stand in another document than its subject; that one has to be selected too.
    if not isinstance(hit, Hit) or hit.document is None:
        return True
    return hit.document.file.path not in world.index.context_files


# -------------------------------------------------------------------------------- locations


def _finding(
    world: World, enabled: EnabledRule, subject: Any, resource: Resource | None, hit: Any
) -> Finding:
    rule = enabled.rule
    if isinstance(hit, TextHit):
        location = Location(
            hit.file, _one_line(hit.file, hit.span), document=hit.document, hide_text=hit.hide_text
        )
        related = tuple(
            Location(
                hit.file,
                _one_line(hit.file, span),
                document=hit.document,
                message=message,
                hide_text=hit.hide_text,
            )
            for span, message in hit.related
        )
        identity: tuple[Any, ...] = (hit.file.path, hit.document)
    else:
        document = hit.document or _document(subject)
        assert document is not None, "a subject without a document needs hits with one"
        owner = resource
        if hit.document is not None and (owner is None or owner.document is not hit.document):
            owner = world.index.resource_at(hit.document, hit.path)
        location = _location(world, document, hit.path, owner, on_key=hit.on_key)
        if hit.hide_text:
            location = replace(location, hide_text=True)
        related = tuple(_related(world, entry) for entry in hit.related)
        identity = (str(location.resource or document.file.path), _symbolic(document, hit.path))
    template = rule.messages.get(hit.message) or rule.messages["default"]
    message = _text(template, {k: _show(v) for k, v in hit.args.items()})
    fingerprint = _fingerprint(repr((rule.id, *identity)))
    return Finding(
        rule.id,
        enabled.severity,
        message,
        location,
        related,
        fingerprint,
        kin=fingerprint,
        about_run=isinstance(subject, ParsedFile),
        fix=_fix(world, rule, subject, hit),
    )


def _fix(world: World, rule: Rule, subject: Any, hit: Hit | TextHit) -> Fix | None:
    if rule.fix is None or not hit.fix:
        return None
    args = {key: _show(value) for key, value in hit.args.items()}
    description = _text(rule.fix["description"], args)
    safety: Safety = "safe" if rule.fix["safety"] == "safe" else "unsafe"
    if isinstance(hit, TextHit):
        if not hit.file.exact:
            return None
        edits = tuple(FileEdit(hit.file, span, text) for span, text in hit.fix)
        return Fix(safety, description, (), edits)
    home = hit.document or _document(subject)
    changes: dict[int, tuple[Any, list[Any]]] = {}
    for change in hit.fix:
        document, done = (
            (change.document, change.operations) if isinstance(change, In) else (home, (change,))
        )
        assert document is not None, "a bare operation is on the document of the hit"
        if document.file.path in world.index.context_files:
            return None  # what is only read is not edited
        changes.setdefault(id(document), (document, []))[1].extend(done)
    return Fix(
        safety,
        description,
        tuple((document, tuple(operations)) for document, operations in changes.values()),
    )


def _text(template: str, args: Mapping[str, object]) -> str:
    # Most say the same of one object after another, and are kept once.
    return intern(printable(format_message(template, args)))


def _show(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(str(_show(item)) for item in value)
    if value is None:
        return "null"
    return value


def _related(world: World, entry: Related) -> Location:
    owner = world.index.resource_at(entry.document, entry.path)
    location = _location(world, entry.document, entry.path, owner, on_key=entry.on_key)
    return replace(location, message=printable(entry.message))


def _location(
    world: World, document: Document, path: Path, resource: Resource | None, *, on_key: bool
) -> Location:
    reached, whole = document.nearest(path)
    root = resource.path if resource is not None else ()
    if len(reached) <= len(root):
        span = _head(document, root)
    elif whole and not on_key:
        span = document.span_of(reached)
    else:
        span = document.key_span(reached)
    span = span or document.span
    return Location(
        file=document.file,
        span=_one_line(document.file, span),
        pointer=_pointer(reached),
        document=document.index,
        resource=resource.ref if resource is not None else None,
        hide_text=world.index.holds_secret(document),
    )


def _head(document: Document, root: Path) -> Span | None:
    """Where a finding about an object as a whole points: its name, else its kind."""
    for steps in (("metadata", "name"), ("kind",)):
        if get(document.value, *root, *steps) is not None:
            return document.span_of((*root, *steps))
    return document.key_span(root)


def _one_line(file: SourceFile, span: Span) -> Span:
    # GitHub shows an alert in a pull request only if every line of its region is in the diff.
    rest = file.line_span(span.start)
    end = min(span.end, rest.end)
    return Span(span.start, max(end, min(span.start + 1, len(file.text))))


def _pointer(path: Path) -> str:
    return intern("".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path))


def _symbolic(document: Document, path: Path) -> tuple[str, ...]:
    """A path that survives insertions above: list items by their name where they have one."""
    steps = []
    value = document.value
    for step in path:
        value = get(value, step)
        name = text(value, "name") if isinstance(step, int) else ""
        steps.append(f"[{name}]" if name else str(step))
    return tuple(steps)


# ------------------------------------------------------------------------------------ order


def _sort_key(finding: Finding) -> tuple[Any, ...]:
    location = finding.location
    return (
        location.file.path,
        location.span.start,
        SEVERITIES.index(finding.severity),
        finding.rule,
        finding.message,
        location.span.end,
    )


def _ordered(findings: list[Finding]) -> Iterator[Finding]:
    """In the order of places. File by file, as the keys of all would take much memory at once."""
    findings.sort(key=_file_path)
    for _, of_file in groupby(findings, _file_path):
        previous: tuple[Any, ...] | None = None
        keyed = [(_sort_key(finding), finding) for finding in of_file]
        for key, finding in sorted(keyed, key=itemgetter(0)):
            if key != previous:  # two roles of one rule may share a subject
                yield finding
            previous = key


def _file_path(finding: Finding) -> str:
    return finding.location.file.path


def _fingerprint(identity: str) -> str:
    digest: str = _sha256()(identity.encode("utf-8", "surrogatepass")).hexdigest()
    return digest[:32]


@cache
def _sha256() -> Any:
    # What `hashlib` has too, without OpenSSL, which takes a fiftieth of a small run to load.
    for name in ("_sha2", "_sha256", "hashlib"):
        with suppress(ImportError):
            return import_module(name).sha256
    raise ImportError("no SHA-256")


def _numbered(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Makes fingerprints unique: equal ones are counted off in their order."""
    seen: Counter[str] = Counter()
    for finding in findings:
        kin = finding.kin
        seen[kin] += 1
        if seen[kin] > 1:
            finding = replace(finding, fingerprint=_fingerprint(f"{kin}:{seen[kin]}"))
        yield finding


def _crash(state: _Run, enabled: EnabledRule, subject: Any, error: Exception) -> None:
    import traceback

    rule = enabled.rule.id
    why = type(error).__name__
    if state.world.index.has_secrets:
        # What an exception says may be a value that the check has come across.
        trace = traceback.format_tb(error.__traceback__)
        state.crashes.append("".join((*trace, why, "\n")))
    else:
        state.crashes.append("".join(traceback.format_exception(error)))
        why += f": {error}" if str(error) else ""
    message = printable(
        f"Rule {rule} crashed on this object ({why}); every other rule still ran. This is a bug in"
        " meshlint, please report it."
    )
    document = _document(subject) if subject is not None else None
    if document is not None:
        resource = _resource(subject)
        root = resource.path if resource is not None else ()
        location = _location(state.world, document, root, resource, on_key=False)
    else:
        files = state.world.index.files
        file = subject.file if isinstance(subject, ParsedFile) else None
        file = file or (files[0].file if files else SourceFile("<input>", ""))
        location = Location(file, Span(0, min(1, len(file.text))))
    kin = _fingerprint(repr((INTERNAL_ERROR, rule, str(location.resource))))
    finding = Finding(INTERNAL_ERROR, "error", message, location, (), kin, kin=kin, about_run=True)
    state.findings.append(finding)


# -------------------------------------------------------------------------------- readiness


def _readiness(run_: _Run, rules: Sequence[EnabledRule], unmet: set[str]) -> Iterable[Readiness]:
    """State of each checklist item for every workload, gateway and control plane reported on.

    A rule on an autoscaler speaks for the workload it scales.
    """
    world = run_.world
    by_subject: dict[int, dict[str, ItemState]] = defaultdict(dict)
    for enabled in rules:
        rule = enabled.rule
        if rule.checklist is None:
            continue
        for role in rule.subjects:
            for subject in world.subjects(role):
                if run_.overrides and _effective(run_.overrides, enabled, subject) is None:
                    continue
                state: ItemState = "passed"
                if rule.id in unmet:
                    state = "not-checked"
                elif (id(subject), rule.id) in run_.failed:
                    state = "failed"
                elif (id(subject), rule.id) in run_.waived:
                    state = "waived"
                judged = _judged(world, subject)
                if judged is None:
                    continue
                items = by_subject[id(judged)]
                items[rule.checklist] = _worse(items.get(rule.checklist), state)
    known: dict[tuple[tuple[str, ItemState], ...], dict[str, ItemState]] = {}
    for subject_id, items in by_subject.items():
        # Most are alike and kept once.
        key = tuple(sorted(items.items()))
        by_subject[subject_id] = known.setdefault(key, dict(key))
    for plane in world.installations.control_planes:
        if plane.istiod and id(plane) in by_subject and not _context_only(world, plane):
            yield _entry(_named(plane), "control-plane", by_subject[id(plane)], plane.document)
    for gateway in world.installations.gateways:
        if id(gateway) in by_subject and not _context_only(world, gateway):
            yield _entry(_named(gateway), "gateway", by_subject[id(gateway)], gateway.document)
    for workload in world.subjects("long-running-workload"):
        if id(workload) in by_subject and workload.resource.reported:
            resource = workload.resource
            yield _entry(resource.ref, "workload", by_subject[id(workload)], resource.document)


def _context_only(world: World, record: ControlPlane | GatewayProxy) -> bool:
    if record.resource is not None:
        return not record.resource.reported
    return record.document.file.path in world.index.context_files


def _named(record: ControlPlane | GatewayProxy) -> ResourceRef:
    ref = record.ref
    if isinstance(record, GatewayProxy) and record.name and record.name != ref.name:
        return replace(
            ref, kind=f"{ref.kind} gateway", namespace=record.namespace, name=record.name
        )
    return ref if ref.name else replace(ref, name=record.document.file.path)


def _judged(world: World, subject: Any) -> Any:
    if isinstance(subject, Workload | ControlPlane | GatewayProxy):
        return subject
    if isinstance(subject, Resource) and subject.group_kind in AUTOSCALER_KINDS:
        return world.autoscaling.target_of(make_autoscaler(subject))
    if isinstance(subject, Autoscaler):
        return world.autoscaling.target_of(subject)
    return None


_ORDER: dict[ItemState, int] = {"passed": 0, "waived": 1, "not-checked": 2, "failed": 3}


def _worse(one: ItemState | None, other: ItemState) -> ItemState:
    return other if one is None or _ORDER[other] > _ORDER[one] else one


def _entry(
    subject: ResourceRef,
    role: Literal["workload", "gateway", "control-plane"],
    items: Mapping[str, ItemState],
    document: Document,
) -> Readiness:
    return Readiness(subject, role, items, document.file.path)
