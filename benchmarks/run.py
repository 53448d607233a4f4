"""Measures meshlint, every figure as a ratio to something measured in the same run.

    python benchmarks/run.py [--corpus DIR] [--generator PROGRAM] [--sizes N...] [--repeat N]

Absolute times differ from machine to machine and from minute to minute; ratios within one run hold.
The budgets are those of docs/architecture.md.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

COLD_START_BUDGET = 2.5

MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart
spec:
  selector:
    matchLabels: {app: cart}
  template:
    metadata:
      labels: {app: cart}
    spec:
      containers:
        - name: cart
          image: registry.example/cart:1.0
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmarks of meshlint, as ratios.")
    parser.add_argument(
        "--corpus",
        type=Path,
        default=default_corpus(),
        help="folder with manifests (default: $MESHLINT_SHARED/corpus or ../shared/corpus)",
    )
    parser.add_argument(
        "--generator",
        type=Path,
        default=default_corpus().parent / "scale" / "gen",
        help="program that writes a mesh of N resources into a folder: GENERATOR N FOLDER",
    )
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=[1_000, 10_000],
        help="numbers of resources (default: 1000 10000; 100000 takes minutes)",
    )
    parser.add_argument("--repeat", type=int, default=7, help="runs of each command")
    arguments = parser.parse_args()
    cold_start(arguments.repeat)
    if arguments.corpus.is_dir():
        throughput(arguments.corpus)
    else:
        print(f"throughput: skipped, there is no folder {arguments.corpus}")
    if arguments.generator.is_file():
        scale(arguments.generator, arguments.sizes)
    else:
        print(f"scale: skipped, there is no program {arguments.generator}")


def default_corpus() -> Path:
    return Path(os.environ.get("MESHLINT_SHARED", ROOT.parent / "shared")) / "corpus"


def cold_start(repeat: int) -> None:
    """One small file, whole process, against importing click alone."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cart.yaml").write_text(MANIFEST)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}

        def lint() -> None:
            command = [sys.executable, "-m", "meshlint", "--profile", "all", "cart.yaml"]
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, check=False
            )
            assert done.returncode == 1, done.stderr.decode()

        def click() -> None:
            subprocess.run([sys.executable, "-c", "import click"], env=environment, check=True)

        lint()
        # Turn about, so that a busy minute of the machine falls on both.
        pairs = [(timed(click), timed(lint)) for _ in range(repeat)]
    floor = statistics.median(pair[0] for pair in pairs)
    whole = statistics.median(pair[1] for pair in pairs)
    print(
        f"cold start, one file: {whole / floor:.2f} times `python -c 'import click'`"
        f" (budget {COLD_START_BUDGET}; {whole * 1000:.0f} ms and {floor * 1000:.0f} ms)"
    )


def throughput(corpus: Path) -> None:
    """A tree of real manifests with every rule on, against the bare YAML event stream."""
    from ruamel.yaml.cyaml import CParser
    from ruamel.yaml.error import YAMLError

    from meshlint.documents import parse
    from meshlint.enablement import enable
    from meshlint.lint import Request, lint
    from meshlint.ruleset import load_builtin
    from meshlint.sources import discover, read
    from meshlint.text import SourceFile

    folders = [str(path) for path in sorted(corpus.iterdir()) if path.name != "odd"]
    files = [f for f in map(read, discover(folders).files) if isinstance(f, SourceFile)]
    size = sum(len(file.text) for file in files) / 1e6

    def events() -> None:
        for file in files:
            parser = CParser(file.text)
            try:
                while parser.get_event() is not None:
                    pass
            except YAMLError:
                continue

    def documents() -> None:
        kept.extend(parse(file) for file in files)

    kept: list[object] = []
    rules = [enable(rule) for rule in load_builtin()]
    for enabled in rules:
        _ = enabled.rule.check
    results: list[object] = []

    def whole() -> None:
        results.append(lint(Request(folders, rules)))

    gc.disable()
    floor = timed(events)
    parsed = timed(documents)
    linted = timed(whole)
    gc.enable()
    report = results[0].report  # type: ignore[attr-defined]
    print(
        f"corpus of {size:.1f} million characters in {len(files)} files,"
        f" {report.resources} objects, {len(rules)} rules, {len(report.findings)} findings:"
    )
    print(f"  event stream alone        1.00  ({size / floor:.1f} million characters/s)")
    print(f"  values and positions      {parsed / floor:.2f}")
    print(f"  whole run, all rules      {linted / floor:.2f}")
    print(f"  whole run per object      {linted / max(1, report.resources) * 1e6:.0f} µs")


def scale(generator: Path, sizes: list[int]) -> None:
    """Generated trees of an Istio shop: cost a resource and memory, each against the smallest."""
    first: tuple[float, float] | None = None
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder) / "tree"
            subprocess.run([generator, str(size), str(tree)], check=True, capture_output=True)
            held = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
            command = [sys.executable, "-m", "meshlint", "--profile", "all"]
            command += ["--format", f"concise={folder}/out.txt", str(tree)]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            child = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            assert os.waitstatus_to_exitcode(status) in (0, 1), status
        seconds = usage.ru_utime + usage.ru_stime
        each, memory = seconds / size, usage.ru_maxrss * 1024 / held
        first = first or (each, memory)
        print(
            f"generated mesh of {size:,} resources: {each * 1e3:.2f} ms of CPU a resource,"
            f" {each / first[0]:.2f} times the first; memory {memory:.1f} times the input"
        )


def timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
