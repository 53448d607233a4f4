"""File systems, streams and signals at their worst, through the real command line.

Whatever cannot be read or written is named, the rest is linted, and the exit code tells.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the file systems of POSIX")

BUDGET = """\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {name}
  namespace: shop
spec:
  maxUnavailable: 0
  selector:
    matchLabels:
      app: {name}
"""
"""Has one finding, pdb-blocks-eviction, with an unsafe fix; no other rule is run on it here."""

RULE = "pdb-blocks-eviction"


class Run:
    """One finished call of the command line."""

    def __init__(
        self,
        cwd: Path,
        *arguments: str | bytes,
        stdin: bytes | None = b"",
        env: dict[str, str | None] | None = None,
        shell: str = "",
        timeout: float = 60,
        **how: Any,
    ) -> None:
        """`shell`: redirections for a shell to make before the start."""
        command: list[str | bytes] = [sys.executable, "-m", "meshlint", *arguments]
        if shell:
            command = ["sh", "-c", f'exec "$@" {shell}', "sh", *command]
        if stdin is not None:
            how["input"] = stdin
        how.setdefault("stdout", subprocess.PIPE)
        done = subprocess.run(
            command,
            cwd=cwd,
            stderr=subprocess.PIPE,
            timeout=timeout,
            check=False,
            env=environment(env),
            **how,
        )
        self.code = done.returncode
        self.bytes = done.stdout or b""
        self.err = done.stderr.decode()
        for noise in ("Traceback", "Exception ignored", "bug in meshlint"):
            assert noise not in self.err, self.err

    @property
    def out(self) -> str:
        return self.bytes.decode()

    @property
    def found(self) -> list[tuple[str, str]]:
        """File and rule of each finding of the JSON output."""
        return [(f["file"], f["rule"]) for f in json.loads(self.bytes)["findings"]]

    @property
    def files(self) -> set[str]:
        return {file for file, _ in self.found}


def environment(more: dict[str, str | None] | None = None) -> dict[str, str]:
    env: dict[str, str | None] = {**os.environ, "PYTHONPATH": str(ROOT), **(more or {})}
    return {name: value for name, value in env.items() if value is not None}


def check(cwd: Path, *arguments: str | bytes, **how: Any) -> Run:
    """A run of the one rule, with JSON to read."""
    return Run(cwd, *ONLY, "--format", "json", *arguments, **how)


# Of the profile `recommended` only this rule finds something in the budgets.
ONLY = ("--profile", "recommended", "--select", RULE)


def put(path: Path, name: str = "cart") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(BUDGET.format(name=name))
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    put(tmp_path / "good.yaml", "good")
    return tmp_path


_PR_CAPBSET_DROP = 24
_OVERRIDING = (0, 1, 2, 3)  # CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER


def give_up_overriding() -> None:
    """Makes root one whom permissions bind, from the next program on."""
    library = ctypes.CDLL(None)
    for capability in _OVERRIDING:
        library.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.fixture
def person(tmp_path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A directory, and how to run a process whom permissions bind."""
    how: dict[str, Any] = {}
    if os.geteuid() == 0:
        how = {"preexec_fn": give_up_overriding}
        probe = tmp_path / "probe"
        probe.write_text("")
        probe.chmod(0)
        try:
            done = subprocess.run(["cat", probe], capture_output=True, check=False, **how)
        except (OSError, subprocess.SubprocessError):
            pytest.skip("root is bound by no permission here")
        if done.returncode == 0:
            pytest.skip("root is bound by no permission here")
        probe.unlink()
    yield tmp_path, how
    tmp_path.chmod(0o700)
    for path in sorted(tmp_path.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)


# ------------------------------------------------------------------------------------------ links


def test_links_of_every_kind(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    put(outside / "far.yaml", "far")
    tree = tmp_path / "tree"
    put(tree / "a" / "own.yaml", "own")
    (tree / "a" / "loop").symlink_to("loop")
    (tree / "a" / "loop.yaml").symlink_to("loop.yaml")
    (tree / "a" / "gone.yaml").symlink_to("nowhere.yaml")
    (tree / "a" / "parent").symlink_to("..")
    (tree / "a" / "out").symlink_to(outside)
    (tree / "a" / "one.yaml").symlink_to("own.yaml")
    (tree / "a" / "two.yaml").symlink_to("own.yaml")
    (tree / "b").mkdir()
    (tree / "b" / "to-c").symlink_to("../c")
    (tree / "c").mkdir()
    (tree / "c" / "to-b").symlink_to("../b")
    run = check(tree, "-v", ".")
    assert sorted(run.found) == [
        ("a/gone.yaml", "file-unreadable"),
        ("a/loop.yaml", "file-unreadable"),
        ("a/out/far.yaml", RULE),
        ("a/own.yaml", RULE),
    ]
    assert run.code == 1
    text = Run(tree, *ONLY, "-v", ".")
    assert "link to a directory above itself" in text.out
    assert "a/loop" in text.out


@pytest.mark.parametrize(
    "paths",
    [
        ("own.yaml", "./own.yaml", "sub/../own.yaml", "link.yaml", "sub/back/own.yaml"),
        ("link.yaml", "own.yaml"),
        (".", "sub/back", "own.yaml"),
    ],
)
def test_one_file_by_several_spellings_is_read_once(tmp_path: Path, paths: tuple[str]) -> None:
    put(tmp_path / "own.yaml")
    (tmp_path / "link.yaml").symlink_to("own.yaml")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "back").symlink_to("..")
    for given in (paths, paths[::-1]):
        run = check(tmp_path, *given, str(tmp_path / "own.yaml"))
        assert run.found == [("own.yaml", RULE)]


def test_links_named_on_the_command_line(tmp_path: Path) -> None:
    put(tmp_path / "own.yaml")
    (tmp_path / "link").symlink_to("own.yaml")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone").symlink_to("nowhere")
    run = check(tmp_path, "link", "loop", "gone")
    assert sorted(run.found) == [
        ("gone", "file-unreadable"),
        ("link", RULE),
        ("loop", "file-unreadable"),
    ]


# --------------------------------------------------------------------------------- special files


def test_special_files_in_a_directory_are_skipped_by_name(tree: Path) -> None:
    os.mkfifo(tree / "pipe.yaml")
    put(tree / "folder.yaml" / "inner.yaml", "inner")
    (tree / "null.yaml").symlink_to("/dev/null")
    (tree / "zero.yaml").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tree)  # the address of a socket is short
        try:
            server.bind("socket.yaml")
        finally:
            os.chdir(here)
        run = Run(tree, *ONLY, "-v", ".")
        files = check(tree, ".").files
    assert files == {"good.yaml", "folder.yaml/inner.yaml"}
    for kind, names in (("device", "null.yaml zero.yaml"), ("pipe", "pipe.yaml")):
        assert f"{kind} ({len(names.split())}) {names}" in " ".join(run.out.split())
    assert "socket (1) socket.yaml" in " ".join(run.out.split())


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/full", "pipe", "/proc/self/mem"])
def test_special_files_that_are_named(tree: Path, path: str) -> None:
    if path.startswith("/") and not Path(path).exists():
        pytest.skip(f"no {path} here")
    os.mkfifo(tree / "pipe")
    run = check(tree, path, "good.yaml")
    assert set(run.found) == {(path, "file-unreadable"), ("good.yaml", RULE)}
    assert run.code == 1


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc here")
def test_file_that_reports_no_size(tree: Path) -> None:
    run = check(tree, "/proc/self/environ", env={"A": BUDGET})
    assert run.code in (1, 3)
    text = Run(tree, "-v", "/proc/self/environ", "/proc/version", "good.yaml")
    assert "/proc/version" in text.out


# ------------------------------------------------------------------- files that change during a run


@pytest.fixture(autouse=True)
def _interrupts_reach_children() -> Iterator[None]:
    """A shell lets what it runs in the background, tests among it, ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Held:
    """A call of the command line that waits for standard input, with every path looked up."""

    def __init__(self, cwd: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "meshlint", *arguments],
            cwd=cwd,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdin is not None
        # More than a pipe holds: the last of it is written only when somebody reads.
        self.process.stdin.write(b"# comment\n" * 30_000)
        self.process.stdin.flush()

    def finish(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(b"", timeout=60)
        assert b"Traceback" not in err, err
        return self.process.returncode, out.decode(), err.decode()


def test_paths_that_change_after_they_were_looked_up(tree: Path) -> None:
    put(tree / "gone.yaml")
    put(tree / "becomes-folder.yaml")
    put(tree / "becomes-pipe.yaml")
    put(tree / "folder" / "a.yaml")
    put(tree / "grows.yaml", "small")
    names = ["gone.yaml", "becomes-folder.yaml", "becomes-pipe.yaml", "folder", "grows.yaml"]
    held = Held(tree, *ONLY, "--format", "json", *names, "good.yaml", "-")
    for name in names[:3]:
        (tree / name).unlink()
    put(tree / "becomes-folder.yaml" / "inner.yaml", "inner")
    os.mkfifo(tree / "becomes-pipe.yaml")
    shutil.rmtree(tree / "folder")
    (tree / "grows.yaml").write_text("---\n".join(BUDGET.format(name=f"n{i}") for i in range(500)))
    code, out, _ = held.finish()
    found = [(f["file"], f["rule"]) for f in json.loads(out)["findings"]]
    assert code == 1
    assert {entry for entry in found if entry[0] != "grows.yaml"} == {
        ("becomes-folder.yaml/inner.yaml", RULE),
        ("becomes-pipe.yaml", "file-unreadable"),
        ("folder", "file-unreadable"),
        ("gone.yaml", "file-unreadable"),
        ("good.yaml", RULE),
    }
    assert len([entry for entry in found if entry[0] == "grows.yaml"]) == 500


def test_tree_that_is_changed_all_the_time(tree: Path) -> None:
    for number in range(300):
        put(tree / f"d{number % 10}" / f"f{number}.yaml", f"n{number}")
    output = (tree / "output").open("w+b")
    process = subprocess.Popen(
        [sys.executable, "-m", "meshlint", *ONLY, "--format", "json", "."],
        cwd=tree,
        env=environment(),
        stdout=output,
        stderr=subprocess.PIPE,
    )
    number = 0
    while process.poll() is None and number < 20_000:
        file = tree / f"d{number % 10}" / f"f{number % 300}.yaml"
        number += 1
        if number % 3 == 0:
            shutil.rmtree(tree / f"d{number % 7}", ignore_errors=True)
        elif number % 3 == 1:
            put(file, "new" * (number % 50 + 1))
        elif file.exists():
            os.truncate(file, number % 150)
        time.sleep(0.001)
    _, err = process.communicate(timeout=60)
    with output:
        output.seek(0)
        out = output.read()
    assert b"Traceback" not in err, err
    assert process.returncode == 1
    assert ("good.yaml", RULE) in [(f["file"], f["rule"]) for f in json.loads(out)["findings"]]


def fixing(tree: Path, change: Callable[[], object], *arguments: str) -> Run:
    """A run with fixes, during which something happens between the reading and the writing."""
    os.mkfifo(tree / "baseline")
    command = [*ONLY, "--unsafe-fixes", "--baseline", "baseline", *arguments, "."]
    empty = '{"version": 1, "findings": []}'
    # Each comparison opens the pipe anew.
    feed = (
        "import sys, time\n"
        "while True:\n"
        f"    open('baseline', 'w').write({empty!r})\n"
        "    time.sleep(0.05)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "meshlint", *command],
        cwd=tree,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with (tree / "baseline").open("w") as stream:  # everything has been read by now
        change()
        stream.write(empty)
    feeder = subprocess.Popen([sys.executable, "-c", feed], cwd=tree)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        feeder.kill()
        feeder.wait()
    run = Run.__new__(Run)
    run.code, run.bytes, run.err = process.returncode, out, err.decode()
    assert "Traceback" not in run.err, run.err
    return run


def test_fix_does_not_write_over_what_somebody_else_has_written(tree: Path) -> None:
    others = "# mine\n" + BUDGET.format(name="cart")
    for name in ("cart", "gone", "folder"):
        put(tree / f"{name}.yaml", name)

    def change() -> None:
        (tree / "cart.yaml").write_text(others)
        (tree / "gone.yaml").unlink()
        (tree / "folder.yaml").unlink()
        (tree / "folder.yaml").mkdir()

    run = fixing(tree, change)
    assert run.code == 2
    assert (tree / "cart.yaml").read_text() == others
    for name in ("cart", "gone", "folder"):
        assert f"error: {name}.yaml: has changed since it was read; left as it is" in run.err
    assert not (tree / "gone.yaml").exists()
    assert "maxUnavailable: 1" in (tree / "good.yaml").read_text()
    assert "fixed 1 finding in 1 file" in run.err
    assert "cart.yaml:8:19" in run.out  # what is on the disk now


# -------------------------------------------------------------------------------------- permission


Person = tuple[Path, dict[str, Any]]


def test_no_permission_to_read(person: Person) -> None:
    tree, how = person
    put(tree / "good.yaml", "good")
    put(tree / "secret.yaml", "secret").chmod(0)
    put(tree / "closed" / "a.yaml", "a").parent.chmod(0)
    put(tree / "listed" / "a.yaml", "a").parent.chmod(0o444)
    run = check(tree, ".", **how)
    assert run.code == 1
    assert run.found.count(("good.yaml", RULE)) == 1
    assert {("secret.yaml", "file-unreadable"), ("closed", "file-unreadable")} <= set(run.found)
    assert {file for file, _ in run.found} & {"listed", "listed/a.yaml"}
    named = check(tree, "secret.yaml", "closed/a.yaml", "good.yaml", **how)
    assert {"secret.yaml", "closed/a.yaml", "good.yaml"} == named.files


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        (".meshlint.yaml", []),
        ("other.yml", ["--config", "other.yml"]),
        ("baseline.json", ["--baseline", "baseline.json"]),
        ("rules/custom/own.yaml", ["--rules", "rules"]),
        ("rules/custom/own.yaml", ["--rules", "rules/custom"]),
        ("mesh.yaml", ["--mesh-config", "mesh.yaml"]),
    ],
)
def test_no_permission_to_read_what_an_option_names(
    person: Person, name: str, arguments: list[str]
) -> None:
    tree, how = person
    put(tree / "in" / "good.yaml", "good")
    put(tree / name).chmod(0)
    run = Run(tree, *ONLY, *arguments, "in", **how)
    assert run.code == 2, run.err
    assert name in run.err


def test_no_permission_to_enter_a_directory_of_rules(person: Person) -> None:
    tree, how = person
    put(tree / "in" / "good.yaml", "good")
    put(tree / "rules" / "custom" / "own.yaml").parent.chmod(0)
    run = Run(tree, "--rules", "rules", "in", **how)
    assert run.code == 2, run.err
    assert "rules" in run.err


def test_kustomization_that_cannot_be_read(person: Person) -> None:
    tree, how = person
    put(tree / "good.yaml", "good")
    put(tree / "kustomization.yaml").chmod(0)
    run = check(tree, ".", **how)
    assert set(run.found) == {("good.yaml", RULE), ("kustomization.yaml", "file-unreadable")}
    run = check(tree, "good.yaml", **how)
    assert run.found == [("good.yaml", RULE)]


# ------------------------------------------------------------------------------------------- names

# Every name says by its end what it is, so that each is found again in any output.
NAMES = {
    "newline": b"new\nline.yaml",
    "return": b"re\rturn.yaml",
    "tab": b"t\tab.yaml",
    "escape": b"\x1b[31mred\x1b[0m.yaml",
    "bell": b"\x07bell.yaml",
    "quotes": b"a'b\"c`d.yaml",
    "backslash": b"a\\nb.yaml",
    "bytes": b"\xff\xfe.yaml",
    "long": b"l" * 250 + b".yaml",
    "dash": b"-rf.yaml",
    "option": b"--fix.yaml",
    "command": b"::error file=x,line=1::hello%0A.yaml",
    "markup": b"<b>&amp;]]>.yaml",
    "table": b"a|b.yaml",
    "composed": unicodedata.normalize("NFC", "\u00e9.yaml").encode(),
    "decomposed": unicodedata.normalize("NFD", "\u00e9.yaml").encode(),
    "override": "\u202elmay.yaml".encode(),
    "c1": "\u009b31m.yaml".encode(),
    "separator": "a\u2028b.yaml".encode(),
    "spaces": b" leading.yaml",
    "colon": b"a:1:2: error.yaml",
    "hash": b"#a%20b?c.yaml",
}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("names")
    for name, raw in NAMES.items():
        try:
            descriptor = os.open(os.path.join(os.fsencode(tree), raw), os.O_WRONLY | os.O_CREAT)  # noqa: PTH118
        except OSError:
            continue  # the file system forbids such names
        with os.fdopen(descriptor, "w") as stream:
            stream.write(BUDGET.format(name=name))
    return tree


CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@pytest.mark.parametrize(
    "form",
    [
        "text",
        "concise",
        "json",
        "sarif",
        "github",
        "github-summary",
        "gitlab",
        "junit",
        "checkstyle",
    ],
)
def test_names_that_try_to_break_the_output(names: Path, form: str) -> None:
    run = Run(names, *ONLY, "--format", form, ".", env={"GITHUB_WORKSPACE": None})
    assert run.code == 1
    count = len(list(names.iterdir()))
    out = run.out
    if form in ("text", "concise", "github", "github-summary"):
        assert CONTROL.search(out) is None, CONTROL.search(out)
    if form == "concise":
        lines = [line for line in out.splitlines() if f"[{RULE}]" in line]
        assert len(lines) == count
        assert len({line.partition(": error[")[0] for line in lines}) == count
    elif form == "github":
        shown = min(count, 10)  # what GitHub shows of a step
        # No line of the output starts a command that is not meshlint's own.
        commands = [line for line in out.splitlines() if line.startswith("::")]
        assert len([line for line in commands if line.startswith("::error ")]) == shown
        assert "::error file=x" not in out
        assert len(set(re.findall("(?m)^::error file=([^,]*)", out))) == shown
    elif form == "json":
        assert len({f["file"] for f in json.loads(out)["findings"]}) == count
    elif form == "sarif":
        places = {
            result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
            for result in json.loads(out)["runs"][0]["results"]
        }
        assert len(places) == count
        assert all(re.fullmatch(r"[!-~]+", place) for place in places)
    elif form == "gitlab":
        assert len({entry["location"]["path"] for entry in json.loads(out)}) == count
    elif form in ("junit", "checkstyle"):
        root = ET.fromstring(out)
        text = [*root.iter("file")] if form == "checkstyle" else [*root.iter("testcase")]
        assert len(text) >= count


@pytest.mark.parametrize("name", ["dash", "option"])
def test_names_like_options_are_read_after_two_dashes(names: Path, name: str) -> None:
    run = check(names, "--", NAMES[name])
    assert run.files == {NAMES[name].decode()}


@pytest.mark.parametrize("name", ["newline", "bytes", "escape", "long", "override"])
def test_odd_names_may_be_named_and_fixed(tmp_path: Path, name: str) -> None:
    path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), NAMES[name])))  # noqa: PTH118
    try:
        put(path)
    except OSError:
        pytest.skip("the file system forbids such names")
    run = check(tmp_path, "--unsafe-fixes", os.fsencode(path.name))
    assert run.code == 0, run.err
    assert "maxUnavailable: 1" in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("raw", [b"\xff.yaml", b"\x1b[31m.yaml", "\u202ea.yaml".encode(), b"a\nb"])
def test_odd_names_that_do_not_exist(tree: Path, raw: bytes) -> None:
    given: list[list[bytes]] = [
        [raw],
        [b"--config", raw],
        [b"--baseline", raw],
        [b"--rules", raw],
        [b"--format", b"json=no/" + raw],
        [b"--mesh-config", raw],
    ]
    for arguments in given:
        run = Run(tree, *ONLY, "good.yaml", *arguments, env={"NO_COLOR": "1"})
        assert run.code == 2, arguments
        assert CONTROL.search(run.err) is None, run.err


# ----------------------------------------------------------------------------------------- writing


def left_over(tree: Path) -> list[Path]:
    return [path for path in tree.rglob("*") if path.name.endswith(".tmp")]


def test_fix_writes_through_links_and_keeps_what_a_file_is(tree: Path) -> None:
    real = put(tree / "real" / "cart.yaml")
    real.chmod(0o640)
    (tree / "link.yaml").symlink_to("real/cart.yaml")
    twin = put(tree / "twin.yaml", "twin")
    (tree / "other.yaml").hardlink_to(twin)
    run = Run(tree, *ONLY, "--unsafe-fixes", "link.yaml", "twin.yaml")
    assert run.code == 0, run.err
    assert (tree / "link.yaml").is_symlink()
    assert "maxUnavailable: 1" in real.read_text()
    assert real.stat().st_mode & 0o7777 == 0o640
    assert twin.samefile(tree / "other.yaml")
    assert "maxUnavailable: 1" in (tree / "other.yaml").read_text()
    assert not left_over(tree)


def test_nothing_is_written_without_permission(person: Person) -> None:
    tree, how = person
    put(tree / "good.yaml", "good")
    put(tree / "readonly.yaml", "readonly").chmod(0o444)
    closed = put(tree / "closed" / "inner.yaml", "inner").parent
    (closed / "inner.yaml").chmod(0o444)
    closed.chmod(0o555)
    before = (tree / "readonly.yaml").read_text()
    run = Run(tree, *ONLY, "--unsafe-fixes", ".", **how)
    assert run.code == 2
    assert "error: readonly.yaml: cannot be written: Permission denied" in run.err
    assert "error: closed/inner.yaml: cannot be written: Permission denied" in run.err
    assert (tree / "readonly.yaml").read_text() == before
    assert "maxUnavailable: 1" in (tree / "good.yaml").read_text()
    assert "readonly.yaml:7:19" in run.out
    for arguments in (
        ["--format", "json=closed/out", "--format", "sarif=out.sarif", "--format", "text"],
        ["--write-baseline", "--baseline", "closed/baseline"],
    ):
        run = Run(tree, *ONLY, *arguments, "readonly.yaml", **how)
        assert run.code == 2
        assert "closed/" in run.err
        assert "cannot be written: Permission denied" in run.err
    assert json.loads((tree / "out.sarif").read_bytes())["runs"]
    run = Run(closed, "init", **how)
    assert run.code == 2
    assert "cannot be written: Permission denied" in run.err


def test_writable_file_in_a_directory_that_is_not(person: Person) -> None:
    tree, how = person
    file = put(tree / "closed" / "cart.yaml")
    file.parent.chmod(0o555)
    run = Run(tree, *ONLY, "--unsafe-fixes", ".", **how)
    assert run.code == 0, run.err
    assert "maxUnavailable: 1" in file.read_text()


def no_large_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def test_no_room_for_a_file_leaves_the_old_one(tree: Path) -> None:
    big = put(tree / "big.yaml", "big")
    big.write_text(big.read_text() + "# padding\n" * 1000)
    (tree / "linked.yaml").write_text(BUDGET.format(name="linked") + "# padding\n" * 1000)
    (tree / "second").hardlink_to(tree / "linked.yaml")
    before = {path: path.read_bytes() for path in tree.iterdir()}
    (tree / "report").write_text("old")
    run = Run(
        tree,
        *ONLY,
        "--unsafe-fixes",
        "--format=json=report",
        *("big.yaml", "linked.yaml"),
        preexec_fn=no_large_files,
    )
    assert run.code == 2
    assert "error: big.yaml: cannot be written: File too large" in run.err
    assert "error: linked.yaml: cannot be written: File too large" in run.err
    for path, content in before.items():
        assert path.read_bytes() == content
    assert not left_over(tree)


def test_outputs_that_take_nothing(tree: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    for unbuffered in (None, "1"):
        env = {"PYTHONUNBUFFERED": unbuffered}
        run = Run(tree, *ONLY, "good.yaml", shell=">/dev/full", env=env)
        assert run.code == 2
        assert "standard output cannot be written: No space left on device" in run.err
        run = Run(tree, *ONLY, "good.yaml", "nope.yaml", shell="2>/dev/full", env=env)
        assert (run.code, "good.yaml:7:19" in run.out) == (2, True)
    targets = ["--format=json=/dev/full", "--format=sarif=out.sarif", "--format=text"]
    run = Run(tree, *ONLY, *targets, "good.yaml")
    assert run.code == 2
    assert "/dev/full: cannot be written: No space left on device" in run.err
    assert "good.yaml:7:19" in run.out
    assert json.loads((tree / "out.sarif").read_bytes())["runs"]


@pytest.mark.parametrize("command", [["--help"], ["--version"], ["rules"], ["explain", RULE]])
def test_help_that_cannot_be_written(tree: Path, command: list[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    run = Run(tree, *command, shell=">/dev/full")
    assert run.code == 2
    assert "standard output cannot be written" in run.err


def test_output_through_a_link_and_to_a_directory(tree: Path) -> None:
    (tree / "later").symlink_to("made.json")
    run = Run(tree, *ONLY, "--format=json=later", "--format=sarif=.", "--format=text", "good.yaml")
    assert run.code == 2
    assert ".: cannot be written: Is a directory" in run.err
    assert (tree / "later").is_symlink()
    assert json.loads((tree / "made.json").read_bytes())["findings"]
    run = Run(tree, *ONLY, "--write-baseline", "--baseline", "/", "good.yaml")
    assert (run.code, "Is a directory" in run.err) == (2, True)


# ----------------------------------------------------------------------------------------- streams


@pytest.mark.parametrize(
    ("shell", "code", "words"),
    [
        (">&-", 2, "standard output cannot be written: Bad file descriptor"),
        ("2>&-", 1, ""),
        ("<&-", 1, ""),
        ("<&- >&- 2>&-", 2, ""),
    ],
)
def test_closed_streams(tree: Path, shell: str, code: int, words: str) -> None:
    run = Run(tree, *ONLY, "good.yaml", shell=shell)
    assert run.code == code
    assert words in run.err
    run = Run(tree, *ONLY, "--format=json=out.json", "good.yaml", shell=shell)
    assert run.code == 1
    assert len(json.loads((tree / "out.json").read_bytes())["findings"]) == 1


def test_closed_standard_input_that_is_to_be_read(tree: Path) -> None:
    run = check(tree, "-", "good.yaml", shell="<&-")
    assert run.code == 2
    assert "-: standard input cannot be read: bad file descriptor" in run.err
    assert run.files == {"good.yaml"}


@pytest.mark.parametrize(
    "arguments",
    [
        [*ONLY, "."],
        [*ONLY, "--format", "json", "."],
        [*ONLY, "--unsafe-fixes", "--diff", "."],
        ["inspect", "--format", "json", "."],
        ["rules", "--format", "json"],
        ["explain", RULE],
        ["--help"],
    ],
)
def test_reader_that_has_seen_enough(tree: Path, arguments: list[str]) -> None:
    (tree / "many.yaml").write_text(
        "---\n".join(BUDGET.format(name=f"name-{i}") for i in range(300))
    )
    read, write = os.pipe()
    os.close(read)
    try:
        run = Run(tree, *arguments, stdout=write)
    finally:
        os.close(write)
    assert run.code in (0, 1, 3)
    assert run.err in ("", "would fix 301 findings in 2 files\n")


def test_standard_input_of_every_kind(tree: Path) -> None:
    budget = BUDGET.format(name="a").encode()
    assert check(tree, "-", "-", stdin=budget).found == [("<stdin>", RULE)]
    assert check(tree, "-", stdin=bytes(range(256)) * 400).found == [
        ("<stdin>", "yaml-syntax-invalid")
    ]
    assert check(tree, "-", stdin=b"").code == 3
    huge = budget + b"# padding\n" * 2_000_000
    assert check(tree, "-", stdin=huge).found == [("<stdin>", RULE)]
    run = Run(tree, *ONLY, "--fix", "-", stdin=budget)
    assert (run.code, "Standard input cannot be fixed" in run.err) == (2, True)


# ----------------------------------------------------------------------------------------- signals


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signal_while_standard_input_is_read(tree: Path, name: str) -> None:
    held = Held(tree, *ONLY, "-", ".")
    number = getattr(signal, name)
    time.sleep(0.5)  # until it has taken all there is, and waits for more
    held.process.send_signal(number)
    held.process.wait(timeout=20)
    _, err = held.process.communicate()
    assert held.process.returncode == 128 + number
    assert err == b""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signal_at_any_time_leaves_whole_files(tree: Path, name: str) -> None:
    number = getattr(signal, name)
    (tree / "many.yaml").write_text("---\n".join(BUDGET.format(name=f"n{i}") for i in range(150)))
    for index in range(30):
        put(tree / f"f{index}.yaml", f"f{index}")
    sizes = {path: path.stat().st_size for path in tree.iterdir()}
    for pause in (0.15, 0.3, 0.5, 0.7, 0.9):
        process = subprocess.Popen(
            [sys.executable, "-m", "meshlint", *ONLY, "--unsafe-fixes", "."],
            cwd=tree,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        time.sleep(pause)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
        # Python itself may not have come as far as meshlint.
        if pause > 0.2:
            assert b"Traceback" not in err, err
            assert process.returncode in (0, 128 + number, -number)
        assert {path: path.stat().st_size for path in tree.iterdir()} == sizes


# ------------------------------------------------------------------------------------- environment


@pytest.mark.parametrize(
    "env",
    [
        {"HOME": None, "TMPDIR": None, "XDG_CACHE_HOME": None},
        {"HOME": "/nonexistent", "TMPDIR": "/nonexistent", "XDG_CACHE_HOME": "/proc"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "utf-16"},
        {"COLUMNS": "1"},
        {"COLUMNS": "-5"},
        {"COLUMNS": "wide"},
        {"COLUMNS": "9" * 30},
        {"TZ": "Nowhere/Land"},
        {"TZ": "XXX+99:99"},
        {"PATH": ""},
    ],
)
def test_odd_environment(tree: Path, env: dict[str, str | None]) -> None:
    put(tree / "caf\u00e9.yaml", '"caf\u00e9"')
    run = Run(tree, *ONLY, "-v", ".", env=env)
    assert run.code == 1
    encoding = (env.get("PYTHONIOENCODING") or "utf-8").replace("ascii", "utf-8")
    assert "good.yaml:7:19" in run.bytes.decode(encoding)
    assert check(tree, ".", env=env).files == {"caf\u00e9.yaml", "good.yaml"}
