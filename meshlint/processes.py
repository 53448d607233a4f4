"""Work spread over processes that start as copies of this one (Linux and macOS)."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

CAN_FORK = hasattr(os, "fork")
"""Whether this system has such processes."""

_NUMBER_BYTES = 4


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gather(
    numbers: Sequence[int],
    work: Callable[[Iterator[int]], Any],
    jobs: int,
    shared: Iterable[object] = (),
) -> list[Any] | None:
    """What `work` gives in each of `jobs` processes, which take their numbers from one queue.

    There may be some thousand `numbers`. Each process sees everything as it is now. What `work`
    gives is copied into this process, but for `shared` objects, which stay the same. None when one
    of the processes has died.
    """
    # A pipe that holds every number is a queue that needs no lock.
    queue, entrance = os.pipe()
    with os.fdopen(entrance, "wb") as end:
        end.write(b"".join(n.to_bytes(_NUMBER_BYTES, "little") for n in numbers))
    known = {id(thing): thing for thing in shared}
    children: dict[int, int] = {}
    answers = []
    alive = True
    try:
        for _ in range(jobs):
            result, outlet = os.pipe()
            child = os.fork()
            if child == 0:
                _be_child(queue, outlet, work, known)
            os.close(outlet)
            children[child] = result
        # One after the other: a process that is not yet read waits with what it has to say.
        for child, result in tuple(children.items()):
            with os.fdopen(result, "rb") as stream:
                answers.append(stream.read())
            alive = os.waitpid(child, 0)[1] == 0 and alive
            del children[child]
    finally:
        os.close(queue)
        for child, result in children.items():
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            with contextlib.suppress(OSError):
                os.close(result)
    return [_loaded(answer, known) for answer in answers] if alive else None


def _be_child(
    queue: int, outlet: int, work: Callable[[Iterator[int]], Any], known: dict[int, object]
) -> None:
    code = 1
    try:
        with os.fdopen(outlet, "wb") as stream:
            stream.write(_dumped(work(_taken(queue)), known))
        code = 0
    finally:
        # Nothing of the parent's, such as text that it has not yet written, may be done twice.
        os._exit(code)


def _taken(queue: int) -> Iterator[int]:
    while data := os.read(queue, _NUMBER_BYTES):
        yield int.from_bytes(data, "little")


class _Pickler(pickle.Pickler):
    """Writes known objects as what they are known by: no other object alive has their identity."""

    def __init__(self, stream: io.BytesIO, known: dict[int, object]) -> None:
        super().__init__(stream, pickle.HIGHEST_PROTOCOL)
        self._known = known

    def persistent_id(self, thing: Any) -> int | None:
        return id(thing) if id(thing) in self._known else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, known: dict[int, object]) -> None:
        super().__init__(stream)
        self._known = known

    def persistent_load(self, identity: Any) -> object:
        return self._known[identity]


def _dumped(value: Any, known: dict[int, object]) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, known).dump(value)
    return stream.getvalue()


def _loaded(data: bytes, known: dict[int, object]) -> Any:
    return _Unpickler(io.BytesIO(data), known).load()
