"""One run, from paths to a report. Command line, tests and editors all come through here."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from meshlint.dataclass import dataclass, field, replace
from meshlint.enablement import NO_OVERRIDES, EnabledRule, Overrides
from meshlint.engine import reporting
from meshlint.engine import run as run_rules
from meshlint.findings import Report, Skipped
from meshlint.loading import Input, load
from meshlint.mesh.settings import Settings
from meshlint.mesh.world import World
from meshlint.ruleset import Rule
from meshlint.suppressions import Waiver, read_suppressions

SCHEMA_RULES = frozenset(
    f"{whose}-{what}"
    for whose in ("kubernetes", "custom-resource")
    for what in ("schema-invalid", "field-unknown")
)
"""Rules that judge objects by the schema of their kind."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to lint, and how."""

    paths: Sequence[str]
    """Files, directories, globs, or `-` for standard input; findings are reported on these."""
    rules: Sequence[EnabledRule]
    settings: Settings = field(default_factory=Settings)
    context: Sequence[str] = ()
    """Paths that are read as well, but not reported on."""
    crds: Sequence[str] = ()
    """Paths of which only the CustomResourceDefinitions are read."""
    exclude: Sequence[str] = ()
    """Patterns as in .gitignore, relative to `root`."""
    root: Path | None = None
    """Directory that `exclude` is relative to; the working directory when it is None."""
    force_exclude: bool = False
    """Whether `exclude` holds for files that are named in `paths` too."""
    overrides: Overrides = NO_OVERRIDES
    waivers: Sequence[Waiver] = ()
    known_rules: Sequence[Rule] = ()
    """Every rule that a suppression may name, the enabled ones and the others."""
    overlays: Mapping[str, bytes] = field(default_factory=dict)
    """Contents that stand in for those of files, by absolute path."""
    mesh_config: str | None = None
    mesh_networks: str | None = None
    stdin: Callable[[], bytes] | None = None
    progress: Callable[[int, int], None] | None = None
    """Called with the number of files read so far and of all files."""
    jobs: int | None = 1
    """Processes that run the rules; None for as many as pay."""


@dataclass(frozen=True, slots=True)
class Result:
    """A report, and what only the command line has to know."""

    report: Report
    world: World
    bad_paths: tuple[str, ...]
    """Why paths that were named cannot be linted."""
    crashes: tuple[str, ...]
    """Tracebacks of checks that crashed."""
    locations: Mapping[str, str] = field(default_factory=dict)
    """Absolute paths of the files that were read, by the path that a person is shown."""


def lint(request: Request) -> Result:
    """Lints the input. Never raises for anything that stands in it."""
    # Values are made once and stay until the end: collecting them over and over finds nothing.
    collecting = gc.isenabled()
    gc.disable()
    try:
        loaded = load_input(request)
        world = build_world(loaded, request.settings, request.rules, request.overrides)
        suppressions = read_suppressions(world.index, request.known_rules, request.waivers)
        jobs = _paying_jobs(world) if request.jobs is None else request.jobs
        outcome = run_rules(world, request.rules, suppressions, request.overrides, jobs)
    finally:
        if collecting:
            gc.enable()
    judged = any(entry.rule.id in SCHEMA_RULES for entry in request.rules)
    report = Report(
        findings=outcome.findings,
        suppressed=outcome.suppressed,
        readiness=outcome.readiness,
        skipped=_skipped(loaded, world),
        assumptions=outcome.assumptions,
        without_schema=world.schemas.missing if judged else (),
        notices=world.schemas.notices if judged else (),
        files=loaded.file_count,
        documents=loaded.document_count,
        resources=sum(resource.reported for resource in world.index.resources),
        rules=len(request.rules),
    )
    return Result(report, world, loaded.bad_paths, outcome.crashes, loaded.locations)


_WORTH_A_PROCESS = 1_500
"""Objects of which one process more saves clearly more than it costs."""


def _paying_jobs(world: World) -> int:
    paying = len(world.index.resources) // _WORTH_A_PROCESS
    if paying < 2:
        return 1
    from meshlint.processes import cores

    return min(cores(), paying)


def _skipped(loaded: Input, world: World) -> tuple[Skipped, ...]:
    """What was not linted; the number of a document only where its file has several."""
    several = {f.file.path for f in world.index.files if f.document_count > 1}
    entries = (
        entry if entry.file in several else replace(entry, document=None)
        for entry in (*loaded.skipped, *_unused_values(world))
    )
    return tuple(sorted(entries, key=lambda e: (e.file, e.document or 0, e.reason)))


def _unused_values(world: World) -> Iterator[Skipped]:
    """Values files that belong to no chart meshlint knows."""
    index = world.index
    installed = world.installations
    used = {
        record.document
        for records in (
            installed.control_planes,
            installed.without_control_plane,
            installed.gateways,
            installed.node_agents,
            installed.base_charts,
        )
        for record in records
    }
    for document in index.values_files:
        path = document.file.path
        if document not in used and path not in index.context_files:
            yield Skipped(path, "Helm values", document.index)


def load_input(request: Request) -> Input:
    """Reads every file of a request."""
    return load(
        request.paths,
        context=request.context,
        crds=request.crds,
        exclude=request.exclude,
        root=request.root,
        force_exclude=request.force_exclude,
        mesh_config=request.mesh_config,
        mesh_networks=request.mesh_networks,
        stdin=request.stdin,
        overlays=request.overlays,
        progress=request.progress,
    )


def build_world(
    loaded: Input,
    settings: Settings,
    rules: Sequence[EnabledRule] = (),
    overrides: Overrides = NO_OVERRIDES,
) -> World:
    """The world that checks look at."""
    return World(loaded.index, settings, reporting(rules, overrides))
