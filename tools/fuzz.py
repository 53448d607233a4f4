"""Lints documents that nobody has written, and says when one of them makes meshlint stumble.

    python tools/fuzz.py [--documents 1000000] [--jobs N] [--seed S] [--corpus DIR] [--keep DIR]
    python tools/fuzz.py --replay DIR

Every document of the project's fixtures, examples and YAML suite, and of `--corpus`, is changed by
chance, as a value or as text, and linted with every rule on, many documents a run. Some runs are
reported in every format, and some are fixed. A crash, more than 5 s of work for a document, memory
without bounds, and anything passed over in silence (see `complaints` in fuzz_oracles.py) is a
failure. What fails is made as small as may be and kept in `--keep`. Equal numbers make equal
documents.

On a slow machine the variable MESHLINT_FUZZ_SECONDS allows more than 5 s. The exit code is 0 when
all went well, else 1.
"""

# ruff: noqa: S311, T201

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import hashlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from random import Random

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from fuzz_mutations import Seeds, horrors, large_horrors, load_seeds, make_document  # noqa: E402
from fuzz_oracles import (  # noqa: E402
    TIME_LIMIT,
    Extra,
    Failure,
    Files,
    Hang,
    Linter,
    Tally,
    crash,
    peak_memory,
    time_limit,
)

from meshlint.reporters import FORMATS  # noqa: E402

BATCH = 100
"""Documents a run: few enough that rules which compare objects stay fast."""
MEMORY = 6 * 1024**3
"""Bytes that a process may have."""
STUCK = 120.0
"""Seconds after which a run is ended that cannot be interrupted, being in code of C."""
SHRINKING = 60.0
"""Seconds to make a failure smaller."""
MAX_KEPT = 20
"""Different failures after which the rest is left out."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, the same in every process."""

    documents: int
    jobs: int
    seed: str
    folders: tuple[Path, ...]
    keep: Path


@dataclass(slots=True)
class Bench:
    """A process's own directory, in which it lints."""

    linter: Linter
    directory: Path
    tally: Tally = field(default_factory=Tally)

    def judge(self, files: Files, extra: Extra, limit: float) -> Failure | None:
        """What is wrong with the run over some files, if anything."""
        tally = Tally()
        try:
            _lay_out(self.directory, files)
            with time_limit(limit):
                failure = self.linter.run(self.directory, extra, tally)
        except Hang as error:
            hang = crash(error)
            return Failure("hang", f"{error}\n{hang.text}")
        self.tally.add(tally)
        return failure


def _lay_out(directory: Path, files: Files) -> None:
    for entry in directory.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    for name, data in files.items():
        path = directory / name
        if "/" in name:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


# ------------------------------------------------------------------------------------- batches


def make_batch(seeds: Seeds, seed: str, number: int, size: int) -> tuple[dict[str, bytes], Extra]:
    """Files with `size` documents, and what is done with the report of them."""
    rnd = Random(f"{seed}/{number}")
    odd = [data for data in horrors().values() if len(data) < 3_000]
    files: dict[str, bytes] = {}
    left = size
    while left:
        count = min(left, rnd.choice((1, 1, 1, 1, 2, 3, 5)))
        left -= count
        name, data = make_document(rnd, seeds, odd)
        place = f"{len(files):03}.yaml"
        if name.endswith(".json"):
            place = f"{len(files):03}.json"
        elif name:
            place = f"{len(files):03}/{name}"
        for _ in range(count - 1):
            data += b"\n---\n" + make_document(rnd, seeds, odd)[1]
        files[place] = data
    formats: tuple[str, ...] = ()
    if number % 8 == 0:
        formats = tuple(sorted(rnd.sample(sorted(FORMATS), 2)))
    return files, Extra(formats, fix=number % 32 == 1)


# ------------------------------------------------------------------------------------- shrinking


def shrink(files: Files, fails: Callable[[Files], bool], until: float) -> Files:
    """The files, then the lines, then the characters without which it still fails."""

    def narrowed(parts: list[bytes], test: Callable[[list[bytes]], bool]) -> list[bytes]:
        step = max(1, len(parts) // 2)
        while True:
            at = 0
            while at < len(parts):
                fewer = parts[:at] + parts[at + step :]
                if time.monotonic() > until:
                    return parts
                if test(fewer):
                    parts = fewer
                else:
                    at += step
            if step == 1:
                return parts
            step = max(1, step // 2)

    names = [name.encode() for name in files]
    kept = narrowed(names, lambda few: fails({n.decode(): files[n.decode()] for n in few}))
    small = {name.decode(): files[name.decode()] for name in kept}
    for split in (lambda data: data.splitlines(keepends=True), lambda data: [*map(_byte, data)]):
        for name in list(small):
            parts = split(small[name])
            if len(parts) > 3_000:
                continue
            best = narrowed(parts, lambda few, n=name: fails({**small, n: b"".join(few)}))  # type: ignore[misc]
            small[name] = b"".join(best)
    return small


def _byte(number: int) -> bytes:
    return bytes([number])


def keep(plan_keep: Path, failure: Failure, files: Files, how: str) -> Path:
    """Writes a failure down: the files, and what happened."""
    digest = hashlib.sha256(repr((failure.signature, sorted(files.items()))).encode()).hexdigest()
    folder = plan_keep / digest[:12]
    for name, data in files.items():
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    again = f"python tools/fuzz.py --replay {folder / 'files'}"
    text = f"{failure.signature}\n\n{how}\n{again}\n\n{failure.text}\n"
    (folder / "failure.txt").write_text(text, "utf-8", "surrogateescape")
    return folder


# ------------------------------------------------------------------------------------- processes


def _bench() -> Bench:
    memory = Path("/dev/shm")  # noqa: S108 - a file system in memory, where there is one
    base = memory if os.access(memory, os.W_OK) else None
    directory = Path(tempfile.mkdtemp(prefix="meshlint-fuzz-", dir=base)).resolve()
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.chdir(directory)
    bench = Bench(Linter(), directory)
    bench.judge({"a.yaml": b"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"}, Extra(), STUCK)
    bench.tally = Tally()
    # What is loaded by now stays: collecting garbage need not look at it again.
    gc.collect()
    gc.freeze()
    return bench


def _batches(plan: Plan) -> int:
    return -(-plan.documents // BATCH)


def _size(plan: Plan, number: int) -> int:
    return min(BATCH, plan.documents - number * BATCH)


def work(plan: Plan, first: int, out: Connection) -> None:
    """Does one batch of every `jobs` from number `first` on; tells of each when it is done."""
    bench = _bench()
    try:
        seeds = load_seeds(list(plan.folders))
        known: set[str] = set()
        for number in range(first, _batches(plan), plan.jobs):
            faulthandler.dump_traceback_later(STUCK, exit=True)
            size = _size(plan, number)
            files, extra = make_batch(seeds, plan.seed, number, size)
            bench.tally = Tally(documents=size)
            failure = bench.judge(files, extra, TIME_LIMIT)
            message = ""
            if failure is not None and failure.signature == "hang":
                failure, files = _one_that_hangs(bench, files, extra)
                if failure is None:
                    bench.tally.slow += 1
            faulthandler.cancel_dump_traceback_later()
            if failure is not None:
                if failure.signature not in known:
                    message = _kept(plan, bench, number, files, extra, failure)
                known.add(failure.signature)
            what = failure.signature if failure else ""
            out.send((number, bench.tally, what, message, peak_memory()))
    finally:
        out.close()
        os.chdir(ROOT)
        shutil.rmtree(bench.directory, ignore_errors=True)


def _one_that_hangs(bench: Bench, files: Files, extra: Extra) -> tuple[Failure | None, Files]:
    """The few files that take too long by themselves, if there are any."""
    found: Failure | None = None
    while len(files) > 1:
        names = list(files)
        half = len(names) // 2
        for part in (names[:half], names[half:]):
            fewer = {name: files[name] for name in part}
            faulthandler.dump_traceback_later(STUCK, exit=True)
            failure = bench.judge(fewer, extra, TIME_LIMIT)
            if failure is not None:
                found, files = failure, fewer
                break
        else:
            return found, files
    return found or bench.judge(files, extra, TIME_LIMIT), files


def _kept(
    plan: Plan, bench: Bench, number: int, files: Files, extra: Extra, failure: Failure
) -> str:
    def fails(fewer: Files) -> bool:
        again = bench.judge(fewer, extra, TIME_LIMIT)
        return again is not None and again.signature == failure.signature

    before = bench.tally
    small = shrink(files, fails, time.monotonic() + SHRINKING)
    bench.tally = before
    how = f"batch {number} of --seed {plan.seed} --documents {plan.documents}"
    return str(keep(plan.keep, failure, small, how))


def _run(plan: Plan) -> int:
    context = multiprocessing.get_context("spawn")
    start = last = time.monotonic()
    total = Tally()
    memory = 0
    failures: dict[str, tuple[int, str]] = {}
    done: dict[int, int] = {job: job - plan.jobs for job in range(plan.jobs)}
    running: dict[Connection, tuple[int, multiprocessing.process.BaseProcess]] = {}

    def begin(job: int, first: int) -> None:
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(plan, first, theirs), daemon=True)
        process.start()
        theirs.close()
        running[mine] = (job, process)

    for job in range(plan.jobs):
        begin(job, job)
    while running and len(failures) < MAX_KEPT:
        for connection in wait(list(running)):
            assert isinstance(connection, Connection)
            job, process = running[connection]
            try:
                number, tally, signature, kept, peak = connection.recv()
            except (EOFError, ConnectionError):
                del running[connection]
                process.join()
                number = done[job] + plan.jobs
                if number < _batches(plan):
                    # The process died in this batch, or had to be ended.
                    signature = f"process ended with code {process.exitcode}"
                    kept = _keep_batch(plan, number, signature)
                    total.documents += _size(plan, number)
                    done[job] = number
                    begin(job, number + plan.jobs)
                else:
                    continue
            else:
                done[job] = number
                total.add(tally)
                memory = max(memory, peak)
            if signature:
                count, where = failures.get(signature, (0, ""))
                failures[signature] = (count + 1, where or kept)
                if kept:
                    print(f"FAILED: {signature}, see {kept}", flush=True)
        if time.monotonic() - last > 30:
            last = time.monotonic()
            speed = total.documents / (last - start)
            print(f"  {total.documents:,} documents, {speed:,.0f} a second", flush=True)
    for _, process in running.values():
        process.terminate()
    seconds = time.monotonic() - start
    print(
        f"{total.documents:,} documents in {seconds:,.0f} s ({total.documents / seconds:,.0f} a"
        f" second), read as {total.read:,}: {total.objects:,} with {total.resources:,}"
        f" objects, {total.broken:,} broken, {total.skipped:,} skipped for a reason,"
        f" {total.empty:,} empty\n"
        f"{total.findings:,} findings, {total.fixed:,} of them fixed for a try; slowest run of"
        f" {BATCH} documents {total.slowest_run:.2f} s, slowest file to read"
        f" {total.slowest_file:.2f} s, {total.slow:,} runs above {TIME_LIMIT:g} s that no document"
        f" is to blame for, {memory:,} MB of memory at most"
    )
    for signature, (count, where) in sorted(failures.items()):
        print(f"FAILED {count:,} times: {signature}, see {where}")
    complete = total.documents == plan.documents
    if not complete:
        print(f"not complete: {plan.documents:,} documents were to be linted")
    return 1 if failures or not complete else 0


def _keep_batch(plan: Plan, number: int, signature: str) -> str:
    files, _ = make_batch(load_seeds(list(plan.folders)), plan.seed, number, _size(plan, number))
    how = f"batch {number} of --seed {plan.seed} --documents {plan.documents}"
    return str(keep(plan.keep, Failure(signature, "all files of the batch"), files, how))


# ------------------------------------------------------------------------------- made by hand


def _samples(large: bool) -> Iterator[tuple[str, bytes, float]]:
    """Names and texts made by hand, and the seconds that each may take."""
    for name, data in horrors().items():
        yield name, data, TIME_LIMIT
    if large:
        for name, make in large_horrors().items():
            data = make()
            # Reading that much may take its time, in proportion.
            yield name, data, TIME_LIMIT + len(data) / 1e6


def _by_hand(keep_in: Path, *, large: bool) -> int:
    """Lints every text made by hand by itself, with a good manifest beside it."""
    bench = _bench()
    failed = 0
    slowest = (0.0, "")
    good = b"apiVersion: v1\nkind: Pod\nmetadata:\n  name: good\nspec: {}\n"
    try:
        for name, data, limit in _samples(large):
            files = {"good.yaml": good, "horror.yaml": data}
            faulthandler.dump_traceback_later(limit + STUCK, exit=True)
            before = time.process_time()
            formats = () if len(data) > 30_000 else ("text", "json", "sarif")
            failure = bench.judge(files, Extra(formats), limit)
            took = time.process_time() - before
            if took > 2:
                print(f"  {name}: {took:.1f} s", flush=True)
            if len(data) < 1_000_000:
                slowest = max(slowest, (took, name))
            if failure is not None:
                failed += 1
                few = files if len(data) < 1_000_000 else {"name.txt": name.encode()}
                where = keep(keep_in, failure, few, name)
                print(f"FAILED: {name}: {failure.signature}, see {where}", flush=True)
        faulthandler.cancel_dump_traceback_later()
    finally:
        os.chdir(ROOT)
        shutil.rmtree(bench.directory, ignore_errors=True)
    print(
        f"by hand: {failed:,} of {len(horrors()) + large * len(large_horrors()):,} failed, slowest"
        f" of the small ones {slowest[0]:.2f} s ({slowest[1]}), {peak_memory():,} MB of memory"
    )
    return failed


def _replay(folder: Path) -> int:
    files = {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }
    bench = _bench()
    try:
        failure = bench.judge(files, Extra(tuple(FORMATS), fix=True), TIME_LIMIT)
    finally:
        os.chdir(ROOT)
        shutil.rmtree(bench.directory, ignore_errors=True)
    print(failure.text if failure else f"{len(files):,} files: nothing is wrong")
    return failure is not None


def _corpus() -> Path:
    return Path(os.environ.get("MESHLINT_SHARED", ROOT.parent / "shared")) / "corpus"


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Lints changed documents and looks for crashes, hangs and silence."
    )
    parser.add_argument(
        "--documents", type=int, default=1_000_000, help="how many (default: 1000000)"
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: CPUs)"
    )
    parser.add_argument("--seed", default="0", help="what the changes depend on (default: 0)")
    parser.add_argument(
        "--corpus",
        type=Path,
        default=_corpus(),
        help="folder with manifests, beside the project's own"
        " (default: $MESHLINT_SHARED/corpus or ../shared/corpus)",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        default=Path("build/fuzz"),
        help="where failures go (default: build/fuzz)",
    )
    parser.add_argument(
        "--large", action="store_true", help="texts of 100 MB as well, about a minute each"
    )
    parser.add_argument(
        "--replay", type=Path, metavar="DIR", help="lint only this folder and judge that"
    )
    arguments = parser.parse_args()
    if arguments.replay:
        raise SystemExit(_replay(arguments.replay.resolve()))
    folders = [ROOT / "fixtures", ROOT / "examples", ROOT / "tests" / "yaml_suite"]
    if arguments.corpus.is_dir():
        folders.append(arguments.corpus.resolve())
    keep_in = arguments.keep.resolve()
    plan = Plan(
        arguments.documents, max(1, arguments.jobs), arguments.seed, tuple(folders), keep_in
    )
    seeds = load_seeds(folders)
    print(
        f"seeds: {len(seeds.all):,} documents of {', '.join(map(str, folders))};"
        f" --seed {plan.seed}, {plan.jobs} processes",
        flush=True,
    )
    failed = _by_hand(keep_in, large=arguments.large)
    raise SystemExit(_run(plan) or bool(failed))


if __name__ == "__main__":
    main()
