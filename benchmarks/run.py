"""Measures meshlint, every figure as a ratio to something measured in the same run.

    python benchmarks/run.py [--corpus DIR] [--generator PROGRAM] [--sizes N...] [--repeat N]
                             [--checkov PROGRAM] [--kubeconform PROGRAM [--schemas LOCATION]]

Other tools are measured where they are given by path. checkov comes from PyPI and wants an
environment of its own: `python -m venv DIR && DIR/bin/pip install checkov`.

Absolute times differ from machine to machine and from minute to minute; ratios within one run hold.
The budgets are those of docs/architecture.md.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import work  # noqa: E402

COLD_START_BUDGET = 2.5
MEMORY_BUDGET = 12


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
    parser.add_argument("--checkov", type=Path, help="the program, to compare with")
    parser.add_argument("--kubeconform", type=Path, help="the program, to compare with")
    parser.add_argument(
        "--schemas", help="where kubeconform finds schemas, for its -schema-location"
    )
    arguments = parser.parse_args()
    cold_start(arguments.repeat)
    # First, while this process is small: a child begins with the peak memory of its parent.
    if arguments.generator.is_file():
        scale(arguments.generator, arguments.sizes)
    else:
        print(f"scale: skipped, there is no program {arguments.generator}")
    if arguments.corpus.is_dir():
        throughput(arguments.corpus)
        peers(arguments)
    else:
        print(f"throughput: skipped, there is no folder {arguments.corpus}")


def default_corpus() -> Path:
    return Path(os.environ.get("MESHLINT_SHARED", ROOT.parent / "shared")) / "corpus"


def cold_start(repeat: int) -> None:
    """One small file, whole process, against importing click alone; meshlint as it is installed."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cart.yaml").write_text(work.CART)
        where = work.installed(Path(folder) / "installed")
        environment = {**os.environ, "PYTHONPATH": str(where)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def lint(profile: str) -> None:
            command = [sys.executable, "-m", "meshlint", "--profile", profile, "cart.yaml"]
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, check=False
            )
            assert done.returncode == 1, done.stderr.decode()

        def click() -> None:
            subprocess.run([sys.executable, "-c", "import click"], env=environment, check=True)

        for profile in ("all", "production"):
            lint(profile)
            # Turn about, so that a busy minute of the machine falls on both.
            pairs = [(timed(click), timed(lambda: lint(profile))) for _ in range(repeat)]  # noqa: B023
            floor = statistics.median(pair[0] for pair in pairs)
            whole = statistics.median(pair[1] for pair in pairs)
            print(
                f"cold start, one file, profile {profile}: {whole / floor:.2f} times"
                f" `python -c 'import click'` (budget {COLD_START_BUDGET};"
                f" {whole * 1000:.0f} ms and {floor * 1000:.0f} ms)"
            )


def peers(arguments: argparse.Namespace) -> None:
    """Whole commands on one small file and on a tree, against meshlint with every rule on."""
    own = [sys.executable, "-m", "meshlint", "--profile", "all", "--format", "concise"]
    commands: dict[str, list[str]] = {}
    if arguments.checkov:
        quiet = ["--framework", "kubernetes", "--quiet", "--compact", "--skip-download"]
        commands["checkov"] = [str(arguments.checkov), *quiet]
    if arguments.kubeconform:
        commands["kubeconform"] = [str(arguments.kubeconform), "-ignore-missing-schemas"]
        if arguments.schemas:
            commands["kubeconform"] += ["-schema-location", arguments.schemas]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cart.yaml").write_text(work.CART)
        targets = {"one file": folder}
        tree = arguments.corpus / "kubernetes-examples"
        targets |= {tree.name: str(tree)} if tree.is_dir() else {}
        for name, command in commands.items():
            for what, target in targets.items():
                given = ["--directory", target] if name == "checkov" else [target]

                def run(line: list[str]) -> float:
                    return timed(
                        lambda: subprocess.run(
                            line, env=environment, capture_output=True, check=False
                        )
                    )

                run([*own, target])
                pairs = [(run([*own, target]), run([*command, *given])) for _ in range(3)]
                ratio = statistics.median(peer / ours for ours, peer in pairs)
                print(f"{name} on {what}: {ratio:.1f} times the time of meshlint")


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
    """Generated trees of an Istio shop: cost a resource and memory, each against the smallest.

    Every rule is on. The time of two processes is compared with that of one.
    """
    first: tuple[float, float] | None = None
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder) / "tree"
            subprocess.run([generator, str(size), str(tree)], check=True, capture_output=True)
            held = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
            command = [sys.executable, "-m", "meshlint", "--profile", "all"]
            command += ["--format", f"concise={folder}/out.txt", str(tree)]
            alone, usage = used([*command, "--jobs=1"])
            together, _ = used([*command, "--jobs=2"])
        seconds = usage.ru_utime + usage.ru_stime
        each, memory = seconds / size, usage.ru_maxrss * 1024 / held
        first = first or (each, memory)
        print(
            f"generated mesh of {size:,} resources: {each * 1e3:.2f} ms of CPU a resource,"
            f" {each / first[0]:.2f} times the first; memory {memory:.1f} times the input"
            f" (budget {MEMORY_BUDGET}); two processes take {together / alone:.2f} of one's time"
        )


def used(command: list[str]) -> tuple[float, resource.struct_rusage]:
    """Seconds that a run of meshlint takes by the clock, and what it uses."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    child = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    assert os.waitstatus_to_exitcode(status) in (0, 1), status
    return time.perf_counter() - start, usage


def timed(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
