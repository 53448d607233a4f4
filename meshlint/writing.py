"""Files written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

_BINARY = getattr(os, "O_BINARY", 0)

# A replacement is refused by a directory that is read-only or a mount of one file; the file itself
# may well be writable.
_IN_PLACE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.ENAMETOOLONG})


Pieces = Callable[[], Iterable[bytes]]
"""Gives the pieces of a content one after the other, the same at each call."""


def write_whole(path: str | Path, data: bytes | Pieces) -> None:
    """Puts bytes in the place of a file. Raises OSError, and then the old content is still there.

    A link is written through, also one to a file that does not exist yet. Mode, owner and other
    names of the file stay. A pipe or a device is written to as it is.
    """
    pieces = (lambda: (data,)) if isinstance(data, bytes) else data
    given = os.path.abspath(path)  # noqa: PTH100 - a path of pathlib may not exist here
    try:
        old = os.stat(given)  # noqa: PTH116
    except FileNotFoundError:
        old = None
    # What these name is open already, and what others have written to it has to stay.
    shared = given.startswith(("/dev/", "/proc/"))
    if shared or (old is not None and not stat.S_ISREG(old.st_mode)):
        with Path(given).open("wb", buffering=0) as stream:
            _write_all(stream.fileno(), pieces)
        return
    target = os.path.realpath(given)
    if old is not None:
        # A replacement would not ask whether the file may be written.
        os.close(os.open(target, os.O_WRONLY | _BINARY))
    if old is None or old.st_nlink == 1:
        try:
            _replace(target, pieces, old)
        except OSError as error:
            if old is None or error.errno not in _IN_PLACE:
                raise
        else:
            return
    _overwrite(target, pieces)


def _replace(target: str, pieces: Pieces, old: os.stat_result | None) -> None:
    # Short, as the name of the file may be as long as names can be.
    name = f".meshlint-{os.getpid()}-{os.urandom(4).hex()}.tmp"
    partial = os.path.join(os.path.dirname(target), name)  # noqa: PTH118, PTH120
    file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
    try:
        try:
            if old is not None:
                _like(partial, target, old)
            _write_all(file, pieces)
            os.fsync(file)
        finally:
            os.close(file)
        os.replace(partial, target)  # noqa: PTH105
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)  # noqa: PTH108
        raise


def _like(partial: str, target: str, old: os.stat_result) -> None:
    """Gives a new file owner, mode and attributes of an old one. Raises OSError."""
    import shutil

    made = os.stat(partial)  # noqa: PTH116
    if (made.st_uid, made.st_gid) != (old.st_uid, old.st_gid):
        os.chown(partial, old.st_uid, old.st_gid)
    shutil.copystat(target, partial)


def _overwrite(target: str, pieces: Pieces) -> None:
    file = os.open(target, os.O_RDWR | _BINARY)
    try:
        with os.fdopen(file, "rb", buffering=0, closefd=False) as stream:
            before = stream.readall()
        try:
            _put(file, pieces)
        except BaseException:
            # Its space on the disk was this file's own before.
            _put(file, lambda: (before,))
            raise
    finally:
        os.close(file)


def _put(file: int, pieces: Pieces) -> None:
    os.lseek(file, 0, os.SEEK_SET)
    os.ftruncate(file, _write_all(file, pieces))
    os.fsync(file)


def _write_all(file: int, pieces: Pieces) -> int:
    size = 0
    for piece in pieces():
        rest = memoryview(piece)
        size += len(rest)
        while rest:
            rest = rest[os.write(file, rest) :]
    return size
