"""`meshlint` and `python -m meshlint`: what concerns the process as a whole."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import sys
from types import FrameType
from typing import Any

_ENDINGS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that end a run. On the way out, files half done and copies of trees are removed."""


def main() -> None:
    """Runs the command line of this process."""
    for name in _ENDINGS:
        number = getattr(signal, name, None)
        # What a parent ignores, as `nohup` does, stays ignored.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    _open_streams()
    # What a run makes, classes and values alike, stays until its end.
    gc.disable()
    from meshlint.cli import discard_output
    from meshlint.cli import main as command

    code: object = 0
    try:
        command(prog_name="meshlint")
    except SystemExit as end:
        code = end.code
    except OSError as error:  # of click, which writes the help and the version itself
        discard_output()
        sys.stderr.write(f"Error: standard output cannot be written: {error.strerror or error}\n")
        code = 2
    with contextlib.suppress(OSError, ValueError):  # told before, where anybody can be told
        sys.stdout.flush()
        sys.stderr.flush()
    # Taking everything apart piece by piece takes a while, and the system frees it at once.
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _end(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # who asks twice does not want to wait
    raise SystemExit(128 + number)


class _Messages(io.FileIO):
    """A stream that nobody has to read: a full disk or a closed pipe takes nothing from a run."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return memoryview(data).nbytes


def _open_streams() -> None:
    """Streams that the parent has closed fail when they are used, and not already when looked at.

    A file that is opened later cannot take their numbers either.
    """
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_WRONLY), encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    elif type(getattr(sys.stderr.buffer, "raw", sys.stderr.buffer)) is io.FileIO:
        raw = _Messages(sys.stderr.fileno(), "w", closefd=False)
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(raw),
            sys.stderr.encoding,
            "backslashreplace",
            line_buffering=True,
        )


if __name__ == "__main__":
    main()
