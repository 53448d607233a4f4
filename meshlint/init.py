"""The start of a configuration: a commented `.meshlint.yaml`, fitted to what a tree holds."""

from __future__ import annotations

import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from meshlint.dataclass import dataclass, replace
from meshlint.findings import Assumption, Skipped, printable
from meshlint.lint import Request, Result, lint
from meshlint.mesh.concerns import CONCERNS
from meshlint.mesh.inspection import origin_of
from meshlint.mesh.world import World
from meshlint.patterns import regexp
from meshlint.sources import Discovery, discover

MANY_FINDINGS = 20
"""Findings from which on a team is told of the baseline."""

_TEST_FOLDERS = frozenset(
    {"__fixtures__", "e2e", "fixtures", "test", "test-data", "testdata", "testing", "tests"}
)
_CHART_NAMES = {
    "istiod": "istiod",
    "pilot": "istiod",
    "ztunnel": "ztunnel",
    "cni": "cni",
    "ingress": "gateway",
    "egress": "gateway",
    "gateway": "gateway",
    "base": "base",
}
"""Part of a path, and the chart of Istio that a values file there is likely for."""


@dataclass(frozen=True, slots=True)
class Left:
    """A folder that is left out, how many files are in it, and why."""

    pattern: str
    files: int
    reason: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a tree holds, as far as a configuration follows from it."""

    include: tuple[str, ...]
    exclude: tuple[Left, ...]
    resources: int
    files: int
    """Files that hold something meshlint reads."""
    istio_version: str
    istio_origin: str
    """Where the version comes from; empty where nothing in the tree tells."""
    kubernetes_version: str
    values: tuple[tuple[str, str], ...]
    """Values files that belong to no chart meshlint recognized, each with the likely chart."""
    injected: int
    control_planes: tuple[str, ...]
    assumptions: tuple[Assumption, ...]
    found: Mapping[str, int]
    """Findings that a baseline would hold, by profile."""

    @property
    def findings(self) -> int:
        """Findings that a baseline would hold."""
        return self.found[self.profile]

    @property
    def profile(self) -> str:
        """The whole checklist where the tree shows a mesh at work, else defects only."""
        return "production" if self.control_planes or self.injected else "recommended"


def propose(request: Request) -> Proposal | Result:
    """Looks at the tree of a request; the result of the run where it holds nothing to lint.

    The paths of the request are relative to the working directory, and so are those proposed.
    """
    found = discover(request.paths, exclude=request.exclude, root=request.root)
    left = _test_folders(found)
    result = _lint(request, left)
    if left and not result.report.resources:
        left = ()
        result = _lint(request, left)
    report, world = result.report, result.world
    used = _files_used(world, report.skipped)
    if not used:
        return result
    left += _charts(found, used)
    version, origin = _istio(world)
    return Proposal(
        include=_include(used),
        exclude=tuple(sorted(left, key=lambda entry: entry.pattern)),
        resources=report.resources,
        files=len(used),
        istio_version=version,
        istio_origin=origin,
        kubernetes_version=str(world.kubernetes_version),
        values=tuple(_values(report.skipped)),
        injected=len(world.subjects("injected-workload")),
        control_planes=tuple(str(plane.ref) for plane in world.installations.control_planes),
        assumptions=tuple(world.complete(concern) for concern in CONCERNS),
        found={
            profile: sum(
                not finding.about_run and finding.rule in named for finding in report.findings
            )
            for profile, named in _by_profile(request).items()
        },
    )


def _by_profile(request: Request) -> dict[str, frozenset[str]]:
    return {
        profile: frozenset(e.rule.id for e in request.rules if profile in e.rule.profiles)
        for profile in ("production", "recommended")
    }


def _lint(request: Request, left: Sequence[Left]) -> Result:
    return lint(replace(request, exclude=(*request.exclude, *(entry.pattern for entry in left))))


def _test_folders(found: Discovery) -> tuple[Left, ...]:
    """Folders whose name says that what they hold is never applied."""
    names: Counter[str] = Counter()
    for candidate in found.files:
        folders = posixpath.dirname(candidate.path).split("/")
        first = next((name for name in folders if name.lower() in _TEST_FOLDERS), None)
        if first is not None:
            names[first] += 1
    return tuple(Left(f"{name}/", count, "test data") for name, count in sorted(names.items()))


def _charts(found: Discovery, used: frozenset[str]) -> tuple[Left, ...]:
    """Chart folders of which nothing can be linted before Helm has rendered it."""
    charts = {
        posixpath.dirname(candidate.path)
        for candidate in found.files
        if candidate.name == "Chart.yaml"
    } - {""}
    entries = []
    for chart in sorted(charts):
        if any(chart != other and chart.startswith(f"{other}/") for other in charts):
            continue
        inside = [c.path for c in found.files if c.path.startswith(f"{chart}/")]
        if not used.intersection(inside):
            reason = "Helm chart; lint what `helm template` renders"
            entries.append(Left(f"/{chart}/", len(inside), reason))
    return tuple(entries)


def _files_used(world: World, skipped: Iterable[Skipped]) -> frozenset[str]:
    """Files with an object, or with values or mesh configuration that are read as such."""
    index = world.index
    unused = {entry.file for entry in skipped}
    paths = {resource.document.file.path for resource in index.resources}
    paths |= {document.file.path for document in index.values_files} - unused
    if index.mesh_config is not None:
        paths.add(index.mesh_config.file.path)
    return frozenset(paths)


def _include(used: frozenset[str]) -> tuple[str, ...]:
    """The topmost folders that hold manifests; the tree itself where some lie in no folder."""
    tops = {path.partition("/")[0] if "/" in path else "." for path in used}
    return (".",) if "." in tops else tuple(sorted(tops))


def _istio(world: World) -> tuple[str, str]:
    version = str(world.istio_version)
    for plane in world.installations.control_planes:
        if plane.version_source is not None:
            return version, f"{origin_of(plane.version_source)} ({plane.ref})"
    return version, ""


def _values(skipped: Iterable[Skipped]) -> Iterator[tuple[str, str]]:
    for entry in skipped:
        if entry.reason != "Helm values":
            continue
        words = set(re.split(r"[^a-z]+", entry.file.lower()))
        chart = next((_CHART_NAMES[word] for word in _CHART_NAMES if word in words), None)
        if chart is not None and (chart != "base" or "istio" in words):
            yield entry.file, chart
        elif "istio" in words:
            yield entry.file, "istiod"


# ------------------------------------------------------------------------------------- writing


def configuration(proposal: Proposal) -> str:
    """The text of a `.meshlint.yaml`: what is set is what the tree shows, the rest is a comment."""
    # Names of objects may hold anything, and a line break would end the comment they stand in.
    return "".join(f"{printable(line)}\n" for line in _lines(proposal))


def _lines(found: Proposal) -> Iterator[str]:
    yield "# Configuration of meshlint. Paths are relative to this file."
    yield "# `meshlint check` lints what is included here; with -v it says what it assumed."
    yield ""
    objects = _count(found.resources, "object")
    yield f"# Where manifests were found: {objects} in {_count(found.files, 'file')}."
    yield "include:"
    yield from (f"  - {_scalar(path)}" for path in found.include)
    yield ""
    yield "# Patterns as in .gitignore."
    if found.exclude:
        yield "exclude:"
        for left in found.exclude:
            yield f"  - {_scalar(left.pattern)} # {left.reason}: {_count(left.files, 'file')}"
    else:
        yield "# exclude: [third-party/]"
    yield ""
    yield from _profile(found)
    yield ""
    yield from _versions(found)
    if found.values:
        yield ""
        yield "# Values files that no release in the tree refers to. If one is for a chart of"
        yield "# Istio (base, default, istiod, gateway, ztunnel, cni), take the # off."
        yield "# helm-values:"
        for path, chart in found.values:
            yield f"#   - {{path: {_scalar(path)}, chart: {chart}}}"
    yield ""
    yield from _completeness(found)
    yield ""
    yield from _baseline(found)


def _profile(found: Proposal) -> Iterator[str]:
    if found.control_planes:
        shown = ", ".join(found.control_planes[:3])
        yield f"# The readiness checklist and defects, because the tree installs Istio ({shown})."
    elif found.injected:
        workloads = _count(found.injected, "workload")
        yield f"# The readiness checklist and defects, because {workloads} will run a sidecar."
    else:
        yield "# Defects only: nothing here installs Istio or runs a sidecar."
        yield "# `production` adds the readiness checklist, once the mesh is in the tree."
    yield f"profile: {found.profile} # production, recommended, security, all"


def _versions(found: Proposal) -> Iterator[str]:
    if found.istio_origin:
        yield f"# Istio {found.istio_version}, from {found.istio_origin}."
        yield "# It is read anew in every run; set it only to judge by another version."
    else:
        yield "# Nothing in the tree tells the version of Istio; the newest known one is assumed."
        yield "# Say which one you run:"
    yield f'# istio-version: "{found.istio_version}"'
    yield "# Manifests do not tell the version of Kubernetes; the newest known one is assumed:"
    yield f'# kubernetes-version: "{found.kubernetes_version}"'


def _completeness(found: Proposal) -> Iterator[str]:
    yield "# Rules that say something is absent run only where the tree holds all of its kind."
    yield "# This is how each kind was taken. To decide it yourself, take the # off and write true,"
    yield "# false, or the path globs where the tree holds everything."
    yield "# complete:"
    for assumption in found.assumptions:
        taken = "true" if assumption.complete else "false"
        yield f"#   {assumption.concern}: {taken} # {assumption.reason}"


def _baseline(found: Proposal) -> Iterator[str]:
    if found.findings >= MANY_FINDINGS:
        yield f"# There are {found.findings:,} findings today. To be told of new ones only, take"
        yield "# the # off, run `meshlint check --write-baseline`, and commit the file it writes."
    else:
        yield "# Findings in this file are not reported; --write-baseline writes it."
    yield "# baseline: .meshlint-baseline.json"
    yield ""
    yield "# Findings that are accepted, with a reason and, if you like, a last day."
    yield "# waivers:"
    yield "#   - rules: [node-affinity-missing]"
    yield "#     namespace: batch-*"
    yield "#     reason: batch jobs may run anywhere"
    yield "#     until: 2030-01-31"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else noun + 's'}"


_PLAIN = regexp(r"[A-Za-z_./][\w./-]*\Z")


def _scalar(text: str) -> str:
    """A path as YAML; quoted where it could be read as anything else."""
    words = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
    if _PLAIN.match(text) and text.lower() not in words:
        return text
    return json.dumps(text, ensure_ascii=False)
