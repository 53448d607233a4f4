"""Checks made from the JSON Schema in a rule declaration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from meshlint.findings import Hit, Path
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.workloads import Workload, make_workload
from meshlint.operations import Set


def compiled(schema: Mapping[str, Any]) -> Any:
    """A validator of a schema that somebody has declared. Raises ValueError for one that is none.

    Nothing is fetched, neither from the network nor from a file.
    """
    import jsonschema_rs

    def refuse(uri: str) -> Any:
        raise ValueError(f"{uri} is not fetched")

    return jsonschema_rs.validator_for(dict(schema), retriever=refuse)


def schema_check(
    declared: Mapping[str, Any],
) -> Callable[[Any, World, Mapping[str, Any]], Iterable[Hit]]:
    """A check that reports the first place of each checked part that the schema refuses.

    Where a rule has a fix, that sets what `const` asks for.

    Messages may use `{value}` (the value found, or `nothing`), `{field}` (the last step of the
    way to it) and `{container}` for parts that are containers.
    """
    validator = compiled(declared["must"])
    part = declared.get("at", "resource")

    def check(subject: Any, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
        for value, path, container in _parts(subject, part):
            if validator.is_valid(value):
                continue
            error = min(
                validator.iter_errors(value),
                key=lambda found: (len(found.instance_path), list(map(str, found.instance_path))),
            )
            steps: Path = tuple(error.instance_path)
            missing = getattr(error.kind, "property", None)
            found = "nothing" if missing is not None else error.instance
            if missing is not None:
                steps = (*steps, str(missing))
            # Of a constant there is one value only that would do.
            constant = getattr(error.kind, "expected_value", None) if missing is None else None
            yield Hit(
                (*path, *steps),
                {
                    "value": found if not isinstance(found, dict | list) else "a block",
                    "field": steps[-1] if steps else "",
                    "container": container,
                },
                fix=(Set((*path, *steps), constant),) if constant is not None else (),
            )

    return check


def _parts(subject: Any, part: str) -> Iterator[tuple[Any, Path, str]]:
    resource = subject if isinstance(subject, Resource) else subject.resource
    if part == "resource":
        yield resource.value, resource.path, ""
        return
    if part == "spec":
        yield resource.spec, (*resource.path, "spec"), ""
        return
    workload = subject if isinstance(subject, Workload) else make_workload(resource)
    if workload is None:
        return
    if part == "pod-template":
        yield workload.template, workload.template_path, ""
    elif part == "pod-spec":
        yield workload.pod_spec, workload.pod_spec_path, ""
    else:
        chosen = workload.containers if part == "containers" else workload.main_containers
        for container in chosen:
            yield container.value, container.path, container.name
