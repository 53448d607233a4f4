"""Load tests: are they recorded, can the record be read, are they recent and complete."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.capacity import is_text, named, quoted
from meshlint.checks.hits import at, listed
from meshlint.findings import Hit
from meshlint.mesh.capacity import LOAD_TESTED, LOAD_TESTED_ISTIO, RPS_PER_POD
from meshlint.mesh.installations.records import GatewayProxy
from meshlint.mesh.load_tests import (
    BENCHMARK,
    Fault,
    benchmark_elsewhere,
    load_tests,
    parse_load_tests,
    parse_tested_version,
    target_version,
)
from meshlint.mesh.replica_plan import annotations_with_prefix, planned, run_by_rollout
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.workloads import Workload


def undeclared(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Throughput that no load test stands behind."""
    if run_by_rollout(subject, world):
        return
    declared = planned(subject, world).declared
    rate = declared.get(RPS_PER_POD)
    if rate is not None and rate.place is not None and LOAD_TESTED not in declared:
        key = world.settings.annotation_prefix + LOAD_TESTED
        args = {"name": named(subject), "rate": quoted(rate.value), "annotation": key}
        yield at(rate.place, args, on_key=True)


def malformed(
    subject: Resource | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Records of load tests that cannot be read; other types than text are left to another rule."""
    for key, value, place in annotations_with_prefix(subject, world):
        if not isinstance(value, str) or not is_text(place):
            continue
        if key == LOAD_TESTED:
            fault = parse_load_tests(value, world.settings.today)
            if isinstance(fault, Fault):
                args = {"entry": quoted(fault.entry), "today": world.settings.today}
                yield at(place, args, message=fault.kind)
        elif key == LOAD_TESTED_ISTIO and parse_tested_version(value) is None:
            yield at(place, {"entry": quoted(value)}, message="version")


def stale(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Load tests of which the newest one is old."""
    declared = planned(subject, world)
    tests = load_tests(declared, world)
    if not tests or run_by_rollout(subject, world):
        return
    newest = max(test.day for test in tests)
    age, most = (world.settings.today - newest).days, params["max_age_days"]
    place = declared.declared[LOAD_TESTED].place
    if age > most and place is not None:
        yield at(place, {"name": named(subject), "day": newest, "age": age, "most": most})


def phase_missing(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Load tests that leave out a phase."""
    declared = planned(subject, world)
    tests = load_tests(declared, world)
    phases = {test.phase for test in tests}
    if not tests or run_by_rollout(subject, world):
        return
    if "" in phases and not params["strict"]:
        return  # a test without a phase may be any of them
    missing = [phase for phase in params["phases"] if phase not in phases]
    if BENCHMARK in missing:
        elsewhere = benchmark_elsewhere(subject, world)
        # One benchmark may serve all; where it would be recorded has to be in the input.
        if elsewhere.recorded or not elsewhere.is_known:
            missing.remove(BENCHMARK)
    place = declared.declared[LOAD_TESTED].place
    if missing and place is not None:
        yield at(
            place,
            {
                "name": named(subject),
                "missing": listed(missing),
                "phases": "phase" if len(missing) == 1 else "phases",
            },
            message="benchmark" if missing == [BENCHMARK] else "default",
        )


def version_outdated(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Load tests on a version of Istio that is many releases behind."""
    found = planned(subject, world).declared.get(LOAD_TESTED_ISTIO)
    if found is None or found.place is None or run_by_rollout(subject, world):
        return
    tested, target = parse_tested_version(found.value), target_version(subject, world)
    if tested is None or target is None or tested.major != target.major:
        return
    distance = target.minor - tested.minor
    if distance > params["max_minors"]:
        yield at(
            found.place,
            {
                "name": named(subject),
                "tested": str(tested),
                "target": str(target),
                "distance": distance,
            },
        )
