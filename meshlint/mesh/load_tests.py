"""Load tests that a team records: days, phases and the Istio version they ran on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal

from meshlint.dataclass import dataclass
from meshlint.mesh.capacity import LOAD_TESTED, Capacity
from meshlint.mesh.injection import scalar_map
from meshlint.mesh.installations.records import GatewayProxy
from meshlint.mesh.versions import Version
from meshlint.model.workloads import Workload
from meshlint.patterns import regexp

if TYPE_CHECKING:
    from meshlint.mesh.world import World

BENCHMARK = "benchmark"
PHASES = (BENCHMARK, "single-service", "integrated")
"""The phases of a load test, in their order."""

_ENTRY = regexp(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?::(.*))?\Z", re.DOTALL)
_MINOR = regexp(r"([0-9]{1,3})\.([0-9]{1,3})\Z")


@dataclass(frozen=True, slots=True)
class LoadTest:
    """One entry of the annotation load-tested."""

    day: date
    phase: str
    """Empty where the entry names none."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an entry, as written."""

    kind: Literal["empty", "entry", "phase", "day", "future"]
    entry: str


def parse_load_tests(text: str, today: date) -> Sequence[LoadTest] | Fault:
    """The load tests that an annotation records, or the first fault in it."""
    if not text.strip():
        return Fault("empty", "")
    found = []
    for entry in (part.strip() for part in text.split(",")):
        match = _ENTRY.match(entry)
        if match is None:
            return Fault("entry", entry)
        try:
            day = date.fromisoformat(match[1])
        except ValueError:
            return Fault("day", match[1])
        phase = match[2]
        if phase is not None and phase not in PHASES:
            return Fault("phase", phase)
        if day > today:
            return Fault("future", match[1])
        found.append(LoadTest(day, phase or ""))
    return tuple(found)


def load_tests(declared: Capacity, world: World) -> Sequence[LoadTest]:
    """Recorded load tests; none where the annotation is missing or malformed."""
    found = declared.declared.get(LOAD_TESTED)
    return _parsed(found.value, world) if found is not None else ()


def _parsed(text: str, world: World) -> Sequence[LoadTest]:
    tests = parse_load_tests(text, world.settings.today)
    return () if isinstance(tests, Fault) else tests


def parse_tested_version(text: str) -> Version | None:
    """The Istio minor of the annotation load-tested-istio: `1.27` and nothing more."""
    match = _MINOR.match(text.strip())
    return Version(int(match[1]), int(match[2])) if match else None


@dataclass(frozen=True, slots=True)
class BenchmarkRecord:
    """Whether the Namespace or an installation records a benchmark."""

    recorded: bool
    is_known: bool
    """Whether the input holds an object that could record one."""


def benchmark_elsewhere(subject: Workload | GatewayProxy, world: World) -> BenchmarkRecord:
    """What the Namespace of a workload or gateway, and the installations, say of a benchmark."""
    key = world.settings.annotation_prefix + LOAD_TESTED
    installations = world.installations
    planes = (*installations.control_planes, *installations.without_control_plane)
    holders = [plane.resource.annotations for plane in planes if plane.resource is not None]
    namespace = world.index.namespace(subject.namespace) if subject.namespace else None
    if namespace is not None:
        holders.append(namespace.annotations)
    records = (scalar_map(annotations).get(key, "") for annotations in holders)
    return BenchmarkRecord(
        any(test.phase == BENCHMARK for record in records for test in _parsed(record, world)),
        bool(holders),
    )


def target_version(subject: Workload | GatewayProxy, world: World) -> Version | None:
    """The Istio minor that the subject will run with; None where neither setting nor input tells.

    Of several control planes the oldest version counts.
    """
    if world.settings.istio_version is not None:
        return world.settings.istio_version
    if isinstance(subject, GatewayProxy) and subject.version_source is not None:
        return subject.version
    return min(
        (
            plane.version
            for plane in world.installations.control_planes
            if plane.version_source is not None
        ),
        key=lambda version: (version.major, version.minor),
        default=None,
    )
