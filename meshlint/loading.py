"""From paths to an index of everything that stands in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as FilePath

from meshlint.dataclass import dataclass, field, replace
from meshlint.documents import Document, ParsedFile, Problem, ProblemKind, has_secret, parse
from meshlint.findings import Path, Skipped
from meshlint.model.index import Index
from meshlint.model.resources import Resource, is_crd, make_resource
from meshlint.model.values import get
from meshlint.recognition import (
    Layout,
    Recognition,
    is_kustomization,
    recognize,
    template_language,
    unrendered,
)
from meshlint.sources import EMPTY, Candidate, Discovery, InputProblem, discover, read, read_lossy
from meshlint.text import SourceFile, Span


@dataclass(frozen=True, slots=True)
class Input:
    """Everything that was read."""

    index: Index
    skipped: tuple[Skipped, ...]
    bad_paths: tuple[str, ...]
    """Why paths that were named are no part of the input."""
    file_count: int
    document_count: int
    """Files and documents of the paths that are reported on."""
    locations: Mapping[str, str] = field(default_factory=dict)
    """Absolute paths of the files that were read, by the path that a person is shown."""


@dataclass(slots=True)
class _Loaded:
    files: list[ParsedFile] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    bad_paths: list[str] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    values_files: list[Document] = field(default_factory=list)
    mesh_configs: list[Document] = field(default_factory=list)
    context_files: set[str] = field(default_factory=set)
    locations: dict[str, str] = field(default_factory=dict)
    documents: int = 0
    read: int = 0


def load(
    paths: Sequence[str],
    *,
    context: Sequence[str] = (),
    crds: Sequence[str] = (),
    exclude: Sequence[str] = (),
    root: FilePath | None = None,
    force_exclude: bool = False,
    mesh_config: str | None = None,
    mesh_networks: str | None = None,
    stdin: Callable[[], bytes] | None = None,
    overlays: Mapping[str, bytes] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Input:
    """Reads files; those of `context` are not reported on unless `paths` name them too.

    Of the files of `crds` that are in neither, the CustomResourceDefinitions are read.
    """
    own = discover(paths, exclude=exclude, force_exclude=force_exclude, stdin=stdin, root=root)
    reported = {candidate.location for candidate in own.files if candidate.location}
    around = discover(context, exclude=exclude, root=root) if context else Discovery((), (), ())
    beside = [c for c in around.files if c.location not in reported]
    known = reported | {candidate.location for candidate in beside}
    defining = discover(crds, root=root) if crds else Discovery((), (), ())
    definitions = [c for c in defining.files if c.location not in known]
    for_definitions = {candidate.location for candidate in definitions}

    loaded = _Loaded(skipped=list(own.skipped))
    for problem in own.problems:
        _add_problem(loaded, problem)
    for problem in (*around.problems, *defining.problems):
        _add_problem(loaded, problem, reported=False)

    # In the order of paths, whichever of them are reported on: of several objects that vie, rules
    # pick the first.
    candidates = [(c, True) for c in own.files]
    candidates += [(c, False) for c in (*beside, *definitions)]
    candidates.sort(key=lambda pair: (pair[0].path, pair[0].location))
    total = len(candidates)
    texts: list[tuple[Candidate, SourceFile, bool]] = []
    for candidate, is_own in candidates:
        if overlays and candidate.location in overlays:
            candidate = replace(candidate, content=overlays[candidate.location])
        answer = read(candidate)
        if isinstance(answer, SourceFile):
            texts.append((candidate, answer, is_own))
            if candidate.location:
                loaded.locations[answer.path] = candidate.location
        elif isinstance(answer, InputProblem):
            _add_problem(loaded, answer, candidate, reported=is_own)
        elif is_own:
            loaded.skipped.append(answer)
        loaded.read += is_own

    charts = own.charts | around.charts
    by_charts = Layout.build(charts, ())
    parsed: list[tuple[Candidate, ParsedFile, bool]] = []
    for number, (candidate, file, is_own) in enumerate(texts, 1):
        reason = unrendered(file.text, by_charts.place(file.path, candidate.location))
        if reason:
            if is_own:
                loaded.skipped.append(Skipped(file.path, reason))
        else:
            result = parse(file)
            language = template_language(file.text) if result.problems else ""
            if language and any(problem.kind == "syntax" for problem in result.problems):
                if is_own:
                    loaded.skipped.append(Skipped(file.path, language))
            elif result.documents or result.problems:
                parsed.append((candidate, result, is_own))
            elif is_own:
                loaded.skipped.append(Skipped(file.path, EMPTY))
        if progress is not None:
            progress(number, total)

    layout = Layout.build(
        charts, _kustomizations(parsed, (*own.kustomizations, *around.kustomizations))
    )
    context_files = loaded.context_files
    for candidate, result, is_own in parsed:
        loaded.files.append(result)
        if not is_own:
            context_files.add(result.file.path)
        place = layout.place(result.file.path, candidate.location)
        for document in result.documents:
            loaded.documents += is_own
            answer_ = recognize(document.value, place)
            if candidate.location in for_definitions:
                answer_ = _definitions_only(document.value, answer_)
            _add(loaded, document, (), document.value, answer_, is_own=is_own)

    given = _single(loaded, mesh_config)
    configs = [given, *loaded.mesh_configs] if given is not None else loaded.mesh_configs
    for document in configs[1:]:
        reason = "MeshConfig beside another one"
        loaded.skipped.append(Skipped(document.file.path, reason, document.index))
    networks_document = _single(loaded, mesh_networks)
    index = Index(
        loaded.resources,
        values_files=loaded.values_files,
        mesh_config=configs[0] if configs else None,
        mesh_networks=networks_document,
        files=loaded.files,
        context_files=frozenset(context_files),
    )
    return Input(
        index=index,
        skipped=tuple(loaded.skipped),
        bad_paths=tuple(loaded.bad_paths),
        file_count=loaded.read,
        document_count=loaded.documents,
        locations=loaded.locations,
    )


def _kustomizations(
    parsed: Sequence[tuple[Candidate, ParsedFile, bool]], outside: Sequence[Candidate]
) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = [
        (candidate.location, document.value)
        for candidate, result, _ in parsed
        for document in result.documents
        if is_kustomization(document.value, result.file.path)
    ]
    known = {candidate.location for candidate, _, _ in parsed}
    for candidate in outside:
        if candidate.location not in known:
            answer = read(candidate)
            if isinstance(answer, SourceFile):
                found += [(candidate.location, d.value) for d in parse(answer).documents]
    return found


def _definitions_only(value: object, recognition: Recognition) -> Recognition:
    """What a document is where only CustomResourceDefinitions count."""
    members = recognition.members
    if recognition.role == "list":
        kept = tuple((path, member) for path, member in members if is_crd(get(value, *path)))
        return replace(recognition, members=kept)
    if recognition.role == "object" and is_crd(value):
        return recognition
    return replace(recognition, role="empty", members=())


def _add(
    loaded: _Loaded,
    document: Document,
    path: Path,
    value: object,
    recognition: Recognition,
    *,
    is_own: bool,
) -> None:
    role = recognition.role
    if role == "object":
        assert isinstance(value, dict)
        loaded.resources.append(make_resource(document, path, value, reported=is_own))
        return
    if role == "list":
        for steps, member in recognition.members:
            inner = value
            for step in steps:
                inner = inner[step]  # type: ignore[index]
            _add(loaded, document, (*path, *steps), inner, member, is_own=is_own)
        return
    if role == "helm-values":
        loaded.values_files.append(document)
        return
    if role == "mesh-config":
        loaded.mesh_configs.append(document)
        return
    if role == "malformed":
        _add_malformed(loaded, document, (*path, *recognition.path), recognition.reason)
        return
    if is_own and role != "empty":
        loaded.skipped.append(Skipped(document.file.path, recognition.reason, document.index))


def _add_malformed(loaded: _Loaded, document: Document, path: Path, reason: str) -> None:
    span = document.span_of(document.nearest(path)[0]) or document.span
    whole = document.span
    secret = has_secret(document.file.text, whole.start, whole.end)
    problem = Problem("malformed", reason, span, document.index, secret=secret)
    last = loaded.files[-1]
    loaded.files[-1] = replace(last, problems=(*last.problems, problem))


def _add_problem(
    loaded: _Loaded,
    problem: InputProblem,
    candidate: Candidate | None = None,
    *,
    reported: bool = True,
) -> None:
    if problem.usage:
        loaded.bad_paths.append(f"{problem.path}: {problem.reason}")
        return
    at = problem.position
    file = SourceFile(problem.path, read_lossy(candidate) if at and candidate else "", exact=False)
    span = Span(0, 0)
    kind: ProblemKind = "unreadable"
    if at is not None:
        kind = "syntax"
        start = file.offset(at)
        span = Span(start, start + 1)
    entry = Problem(kind, problem.reason, span, secret=has_secret(file.text))
    loaded.files.append(ParsedFile(file, (), (entry,), 0))
    if not reported:
        loaded.context_files.add(problem.path)


def _single(loaded: _Loaded, path: str | None) -> Document | None:
    """The one document of a file that an option names."""
    if path is None:
        return None
    for candidate in discover([path]).files:
        answer = read(candidate)
        if isinstance(answer, SourceFile):
            result = parse(answer)
            loaded.files.append(result)
            if result.documents:
                return result.documents[0]
    loaded.bad_paths.append(f"{path}: cannot be read, or holds no YAML")
    return None
