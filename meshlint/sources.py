"""Which files are read, and their text.

Everything here says in values what it could not read; nothing raises for the state of a disk.
"""

# A run sees many thousand paths, and pathlib takes ten times as long.
# ruff: noqa: PTH112, PTH114, PTH115, PTH116, PTH117, PTH118, PTH119, PTH120

from __future__ import annotations

import codecs
import errno
import fnmatch
import heapq
import os
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from meshlint.dataclass import dataclass, field
from meshlint.findings import Skipped, printable
from meshlint.patterns import regexp
from meshlint.text import Position, SourceFile

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

SUFFIXES = (".yaml", ".yml", ".json")
"""Ends of the names that are read in directories, in any case."""

KUSTOMIZATION_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""Names that kustomize looks for in a directory."""

EXCLUDED_DIRECTORIES = frozenset(
    {
        ".git",
        ".hg",
        ".svn",
        ".terraform",
        ".tox",
        ".venv",
        "__pycache__",
        "node_modules",
        "venv",
    }
)
"""Directories of tools: left out unless they are named or a pattern takes them in again."""

STDIN = "<stdin>"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file to read.

    `path` is what a person is shown: relative to the working directory where the file lies below
    it, with `/`, control characters and undecodable bytes escaped. `location` is the absolute path
    that is opened, with `/`; it is empty where `content` already holds the bytes.
    """

    path: str
    location: str
    content: bytes | None = None

    @property
    def name(self) -> str:
        return os.path.basename(self.location)


@dataclass(frozen=True, slots=True)
class InputProblem:
    """A part of the input that cannot be read, and why.

    `usage`: the command line is wrong (no such path); otherwise the file or directory is there and
    is at fault.
    """

    path: str
    reason: str
    position: Position | None = None
    usage: bool = False


@dataclass(frozen=True, slots=True)
class Discovery:
    """Files of the input, ordered by path."""

    files: tuple[Candidate, ...]
    skipped: tuple[Skipped, ...]
    problems: tuple[InputProblem, ...]
    kustomizations: tuple[Candidate, ...] = ()
    """Kustomizations beside or above files of the input that are not part of it. They are read only
    to know which files of the input are patches."""
    charts: frozenset[str] = frozenset()
    """Locations of the directories beside or above files of the input that hold a Chart.yaml."""


def discover(
    paths: Sequence[str],
    *,
    exclude: Sequence[str] = (),
    force_exclude: bool = False,
    stdin: Callable[[], bytes] | None = None,
    cwd: Path | None = None,
    root: Path | None = None,
) -> Discovery:
    """Files that paths, directories, shell-style patterns and `-` (standard input) stand for.

    The answer does not depend on the order of `paths` and of the file system. A file that several
    paths lead to is read once. `exclude` holds patterns as in .gitignore, relative to `root` (the
    working directory by default); a path that is named is read although a pattern leaves it out,
    unless `force_exclude`.
    """
    here = os.path.realpath(cwd or Path.cwd())
    try:
        exclusion = _Exclusion.of(exclude, os.path.realpath(root) if root else here)
    except ValueError as error:
        problem = InputProblem("exclude", f"not a pattern: {error}", usage=True)
        return Discovery((), (), (problem,))
    walk = _Walk(here, exclusion, force_exclude)
    roots: dict[str, str] = {}
    for path in paths:
        if path == "-":
            walk.add_stdin(stdin)
        elif not path:
            walk.problem("''", "an empty path", usage=True)
        else:
            for location, shown in walk.resolve(path):
                roots[location] = min(shown, roots.get(location, shown))
    for location, shown in sorted(roots.items(), key=lambda item: (item[1], item[0])):
        walk.add_root(location, shown)
    walk.follow_links()
    return walk.discovery()


def read(candidate: Candidate) -> SourceFile | Skipped | InputProblem:
    """Text of a file, without byte order mark, line ends as they are."""
    data = candidate.content
    if data is None:
        try:
            data = _bytes(candidate.location)
        except OSError as error:
            return InputProblem(candidate.path, _reason(error, candidate.location))
    if not data:
        return Skipped(candidate.path, EMPTY)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _undecodable(candidate.path, data, error)
    if b"\0" in data[:4] and _wide(data):
        return InputProblem(candidate.path, _WIDE_TEXT.format(_wide(data)), Position(1, 1))
    if text[0] == "\ufeff":
        text = text[1:]
    if text.isspace() or not text:
        return Skipped(candidate.path, EMPTY)
    return SourceFile(candidate.path, text)


def read_lossy(candidate: Candidate) -> str:
    """Text of a file that is not UTF-8, with a mark for what is not; empty on any error."""
    try:
        data = candidate.content if candidate.content is not None else _bytes(candidate.location)
    except OSError:
        return ""
    return data.decode("utf-8", "replace")


EMPTY = "empty"

# ------------------------------------------------------------------------------------- excluding


@dataclass(frozen=True, slots=True)
class _Exclusion:
    root: str
    lines: tuple[str, ...] = ()
    spec: GitIgnoreSpec | None = None

    @staticmethod
    def of(patterns: Sequence[str], root: str) -> _Exclusion:
        """Raises ValueError for a text that is no pattern."""
        lines = tuple(line for line in patterns if line.strip())
        if not lines:
            return _Exclusion(root)
        from pathspec import GitIgnoreSpec

        return _Exclusion(root, lines, GitIgnoreSpec.from_lines(lines))

    def reason(self, location: str, is_directory: bool) -> str:
        """Why a file or directory is left out; empty when it is not."""
        if location == self.root:
            return ""
        if self.spec is not None:
            result = self.spec.check_file(self._relative(location) + "/" * is_directory)
            if result.include and result.index is not None:
                return f"excluded by '{self.lines[result.index]}'"
            if result.include is False:
                return ""
        if is_directory and os.path.basename(location) in EXCLUDED_DIRECTORIES:
            return "excluded by default"
        return ""

    def reason_with_parents(self, location: str, is_directory: bool) -> str:
        """Why a walk from the root would not arrive at a path; empty when it would."""
        parent = os.path.dirname(location)
        prefix = self.root.rstrip(os.sep) + os.sep
        while parent.startswith(prefix):
            if reason := self.reason(parent, True):
                return reason
            parent = os.path.dirname(parent)
        return self.reason(location, is_directory)

    def below(self, directory: str) -> _Exclusion:
        """For a walk from a directory that is named: patterns that fit it itself do not count."""
        if self.spec is None or not self.reason(directory, True).startswith("excluded by '"):
            return self
        kept = [line for line in self.lines if not self._fits(line, directory)]
        return _Exclusion.of(kept, self.root)

    def _fits(self, line: str, directory: str) -> bool:
        one = _Exclusion.of([line], self.root)
        return one.spec is not None and one.spec.match_file(self._relative(directory) + "/")

    def _relative(self, location: str) -> str:
        prefix = self.root.rstrip(os.sep) + os.sep
        if location.startswith(prefix):
            return _slashes(location[len(prefix) :])
        try:
            return _slashes(os.path.relpath(location, self.root))
        except ValueError:  # another drive
            return _slashes(location)


# --------------------------------------------------------------------------------------- walking


@dataclass(slots=True)
class _Walk:
    cwd: str
    exclusion: _Exclusion
    force_exclude: bool
    # Real path -> whether a link led there, path shown, location. The least one is kept.
    files: dict[str, tuple[bool, str, str]] = field(default_factory=dict)
    directories: set[str] = field(default_factory=set)
    links: list[tuple[str, str, str, _Exclusion]] = field(default_factory=list)
    skipped: dict[str, Skipped] = field(default_factory=dict)
    problems: dict[tuple[str, str], InputProblem] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    marked: dict[str, set[str]] = field(default_factory=dict)
    stdin: Candidate | None = None

    def problem(self, shown: str, reason: str, *, usage: bool = False) -> None:
        self.problems[shown, reason] = InputProblem(shown, reason, usage=usage)

    def skip(self, location: str, shown: str, reason: str) -> None:
        self.skipped[location] = Skipped(shown, reason)

    def add_stdin(self, load: Callable[[], bytes] | None) -> None:
        if self.stdin is not None:
            return
        if load is None:
            self.problem("-", "there is no standard input to read", usage=True)
            return
        try:
            self.stdin = Candidate(STDIN, "", load())
        except OSError as error:
            self.problem("-", f"standard input {_reason(error, STDIN)}", usage=True)

    def resolve(self, path: str) -> list[tuple[str, str]]:
        """Locations that a path or pattern stands for, each with the path shown."""
        location = self._location(path)
        try:
            os.lstat(location)
        except ValueError:
            self.problem(printable_path(path), "a path cannot hold a NUL character", usage=True)
        except OSError as error:
            missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
            if not missing:
                self.problem(printable_path(path), _reason(error, location))
            elif not _MAGIC.search(path):
                self.problem(printable_path(path), "no such file or directory", usage=True)
            elif matches := self._expand(path):
                return [(match, self._shown(match, path)) for match in matches]
            else:
                self.problem(printable_path(path), "no file fits this pattern", usage=True)
        else:
            return [(location, self._shown(location, path))]
        return []

    def _location(self, path: str) -> str:
        joined = os.path.join(self.cwd, path).rstrip(os.sep) or os.sep
        prefix = self.cwd.rstrip(os.sep) + os.sep
        head, tail = os.path.split(joined)
        if tail == "..":
            return os.path.realpath(joined)
        # `link/..` is not where the link stands. A path that leaves the working directory by its
        # spelling may still lead into it: the shell knows the directory by the links on the way.
        real = os.path.normpath(os.path.join(os.path.realpath(head), tail))
        normal = os.path.normpath(joined)
        if os.pardir in _slashes(joined).split("/"):
            return real
        return real if real.startswith(prefix) and not normal.startswith(prefix) else normal

    def _shown(self, location: str, given: str) -> str:
        if location == self.cwd:
            return "."
        prefix = self.cwd.rstrip(os.sep) + os.sep
        if location.startswith(prefix):
            location = location[len(prefix) :]
        elif not os.path.isabs(given):
            location = os.path.relpath(location, self.cwd)
        return printable_path(_slashes(location))

    def add_root(self, location: str, shown: str) -> None:
        """A path that was named."""
        try:
            mode = os.stat(location).st_mode
        except OSError as error:
            self.problem(shown, _reason(error, location))
            return
        real = os.path.realpath(location)
        linked = real != location
        if stat.S_ISDIR(mode):
            exclusion = self.exclusion
            if not self.force_exclude:
                exclusion = exclusion.below(location)
            elif reason := exclusion.reason_with_parents(location, True):
                self.skip(location, shown, reason)
                return
            if linked:
                heapq.heappush(self.links, (shown, location, "", exclusion))
            else:
                self.walk(location, shown, real, exclusion)
        elif stat.S_ISREG(mode):
            excluded = self.force_exclude and self.exclusion.reason_with_parents(location, False)
            if excluded:
                self.skip(location, shown, excluded)
            else:
                self.add_file(real, linked, shown, location)
        else:
            hint = "; pipe the text into 'meshlint -' instead" if stat.S_ISFIFO(mode) else ""
            self.problem(shown, f"is a {_special(mode)}, not a file{hint}")

    def add_file(self, real: str, linked: bool, shown: str, location: str) -> None:
        entry = (linked, shown, location)
        known = self.files.get(real)
        if known is None or entry < known:
            self.files[real] = entry

    def walk(
        self, top: str, shown: str, real: str, exclusion: _Exclusion, linked: bool = False
    ) -> None:
        stack = [(top, "" if shown == "." else shown.rstrip("/") + "/", real)]
        while stack:
            directory, prefix, real = stack.pop()
            if real in self.directories:
                continue
            self.directories.add(real)
            try:
                with os.scandir(directory) as found:
                    entries = list(found)
            except OSError as error:
                path = prefix.rstrip("/") or "."
                self.problem(path, f"the directory {_reason(error, directory)}")
                continue
            self.listed.add(directory)
            base = real.rstrip(os.sep) + os.sep
            for entry in entries:
                name = entry.name
                plain = name if name.isascii() and name.isprintable() else printable_path(name)
                if name in _MARKERS:
                    self.marked.setdefault(name, set()).add(directory)
                is_manifest = name.lower().endswith(SUFFIXES) or name == "Kustomization"
                try:
                    if entry.is_symlink():
                        item = (prefix + plain, entry.path, top, exclusion)
                        heapq.heappush(self.links, item)
                    elif entry.is_dir(follow_symlinks=False):
                        if reason := exclusion.reason(entry.path, True):
                            self.skip(entry.path, prefix + plain, reason)
                        else:
                            stack.append((entry.path, f"{prefix}{plain}/", base + name))
                    elif not is_manifest:
                        continue
                    elif reason := exclusion.reason(entry.path, False) or _clutter(name):
                        self.skip(entry.path, prefix + plain, reason)
                    elif entry.is_file(follow_symlinks=False):
                        self.add_file(base + name, linked, prefix + plain, entry.path)
                    else:
                        mode = entry.stat(follow_symlinks=False).st_mode
                        self.skip(entry.path, prefix + plain, _special(mode))
                except OSError as error:
                    self.problem(prefix + plain, _reason(error, entry.path))

    def follow_links(self) -> None:
        """Links come last and in order, so that what they lead to keeps its own path."""
        while self.links:
            shown, location, top, exclusion = heapq.heappop(self.links)
            is_manifest = location.lower().endswith(SUFFIXES)
            try:
                mode = os.stat(location).st_mode
            except OSError as error:
                name = os.path.basename(location)
                reason = exclusion.reason(location, False) or _clutter(name)
                if reason or not is_manifest:
                    self.skip(location, shown, reason or "broken link")
                else:
                    self.problem(shown, _reason(error, location))
                continue
            is_directory = stat.S_ISDIR(mode)
            if not is_directory and not is_manifest:
                continue
            if reason := exclusion.reason(location, is_directory) if top else "":
                self.skip(location, shown, reason)
                continue
            real = os.path.realpath(location)
            if is_directory:
                if top and (os.path.realpath(os.path.dirname(location)) + os.sep).startswith(
                    real.rstrip(os.sep) + os.sep
                ):
                    self.skip(location, shown, "link to a directory above itself")
                else:
                    self.walk(location, shown, real, exclusion, linked=True)
            elif stat.S_ISREG(mode):
                self.add_file(real, True, shown, location)
            else:
                self.skip(location, shown, _special(mode))

    def _expand(self, pattern: str) -> list[str]:
        """Locations that a shell-style pattern fits; `**` stands for any number of directories.

        As in a shell, wildcards do not fit hidden names and `**` does not follow links. Where the
        last part ends in a wildcard, only names that are read in directories fit.
        """
        drive, rest = os.path.splitdrive(pattern)
        parts = [part for part in _slashes(rest).split("/") if part not in ("", ".")]
        found = [drive + os.sep if os.path.isabs(pattern) else self.cwd]
        last = len(parts) - 1
        for number, part in enumerate(parts):
            if part == "**":
                found = list(dict.fromkeys(d for top in found for d in self._tree(top)))
            elif _MAGIC.search(part):
                fits = re.compile(fnmatch.translate(part), _CASE).match
                hidden = part.startswith(".")
                found = [
                    entry.path
                    for top in found
                    for entry in self._entries(top)
                    if fits(entry.name) and (hidden or not entry.name.startswith("."))
                ]
                if number < last:
                    found = [path for path in found if os.path.isdir(path)]
                elif part.endswith("*"):
                    found = [
                        path
                        for path in found
                        if path.lower().endswith(SUFFIXES) or os.path.isdir(path)
                    ]
            else:
                joined = (os.path.normpath(os.path.join(top, part)) for top in found)
                found = [path for path in joined if os.path.lexists(path)]
        return sorted(set(found))

    def _tree(self, top: str) -> list[str]:
        """A directory and those below it, without hidden and excluded ones."""
        if not os.path.isdir(top):
            return []
        tree = [top]
        for directory in tree:
            tree += [
                entry.path
                for entry in self._entries(directory)
                if not entry.name.startswith(".")
                and entry.is_dir(follow_symlinks=False)
                and not self.exclusion.reason(entry.path, True)
            ]
        return tree

    def _entries(self, directory: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(directory) as found:
                return list(found)
        except NotADirectoryError:
            return []
        except OSError as error:
            shown = self._shown(directory, directory)
            self.problem(shown, f"the directory {_reason(error, directory)}")
            return []

    def discovery(self) -> Discovery:
        found = [Candidate(shown, _slashes(location)) for _, shown, location in self.files.values()]
        if self.stdin is not None:
            found.append(self.stdin)
        found.sort(key=lambda candidate: (candidate.path, candidate.location))
        read_anyway = {location for _, _, location in self.files.values()} | self.listed
        skipped = [item for at, item in self.skipped.items() if at not in read_anyway]
        problems = list(self.problems.values())
        charts, kustomizations = self._surroundings(
            {os.path.dirname(location) for _, _, location in self.files.values()}
        )
        return Discovery(
            files=tuple(found),
            skipped=tuple(sorted(skipped, key=lambda item: (item.file, item.reason))),
            problems=tuple(sorted(problems, key=lambda item: (item.path, item.reason))),
            kustomizations=tuple(
                Candidate(self._shown(location, location), _slashes(location))
                for location in sorted(kustomizations)
                if os.path.realpath(location) not in self.files
            ),
            charts=frozenset(map(_slashes, charts)),
        )

    def _surroundings(self, directories: set[str]) -> tuple[set[str], set[str]]:
        """Chart directories and kustomizations in directories and above, within a repository."""
        charts: set[str] = set()
        kustomizations: set[str] = set()
        done: set[str] = set()
        for directory in directories:
            while directory not in done:
                done.add(directory)
                present = [name for name in _MARKERS if self._holds(directory, name)]
                if "Chart.yaml" in present:
                    charts.add(directory)
                kustomizations.update(
                    os.path.join(directory, name) for name in present if name in KUSTOMIZATION_NAMES
                )
                if ".git" in present:
                    break
                directory = os.path.dirname(directory)
        return charts, kustomizations

    def _holds(self, directory: str, name: str) -> bool:
        if directory in self.listed:
            return directory in self.marked.get(name, ())
        return os.path.lexists(os.path.join(directory, name))


_MARKERS = ("Chart.yaml", ".git", *KUSTOMIZATION_NAMES)
_MAGIC = regexp(r"[*?\[]")
_CASE = re.IGNORECASE if os.name == "nt" else 0


def _clutter(name: str) -> str:
    # `.#name` is the lock of an editor (a link to nowhere), `._name` resource data of macOS.
    return "file of an editor or of macOS" if name.startswith((".#", "._")) else ""


def _special(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "pipe"
    if stat.S_ISSOCK(mode):
        return "socket"
    if stat.S_ISDIR(mode):
        return "directory"
    return "device"


def _slashes(path: str) -> str:
    return path if os.sep == "/" else path.replace(os.sep, "/")


def printable_path(path: str) -> str:
    """A path as it can be shown and written: control characters and undecodable bytes escaped."""
    raw = os.fsencode(path) if os.name != "nt" else path.encode("utf-8", "surrogatepass")
    return printable(raw.decode("utf-8", "backslashreplace"))


# --------------------------------------------------------------------------------------- reading

_OPEN = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    # A file may have been replaced by a pipe; without this the open would wait for a writer.
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
)


class _NotAFile(OSError):
    """A pipe, socket, device or directory where a file was found before."""


def _bytes(location: str) -> bytes:
    file = os.open(location, _OPEN)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise _NotAFile(errno.EINVAL, f"is a {_special(status.st_mode)}, not a file")
        data = os.read(file, status.st_size + 1)
        if len(data) == status.st_size:
            return data
        chunks = [data]
        while chunks[-1]:
            chunks.append(os.read(file, 1 << 20))
        return b"".join(chunks)
    finally:
        os.close(file)


def _reason(error: OSError, location: str) -> str:
    if error.errno == errno.ENOENT:
        if os.path.islink(location):
            target = printable_path(os.readlink(location))
            return f"is a link to '{target}', which does not exist"
        return "is gone since the run began"
    if error.errno == errno.ELOOP:
        return "is a link that leads back to itself"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "cannot be read: permission denied"
    if isinstance(error, _NotAFile):
        return str(error.strerror)
    words = error.strerror or str(error)
    return f"cannot be read: {words[:1].lower()}{words[1:]}"


_WIDE_TEXT = (
    "is {0} text; save it as UTF-8, the encoding that every tool reads (iconv -f {0} -t UTF-8)"
)
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_LINE_END = regexp(rb"\r\n|\n|\r")


def _wide(data: bytes) -> str:
    """Name of the encoding of text with more than one byte a character; empty for any other."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    # Without a mark: a manifest starts with characters of ASCII, so its first bytes tell.
    zeros = [byte == 0 for byte in data[:4]]
    if zeros in ([True, True, True, False], [False, True, True, True]):
        return "UTF-32LE" if zeros[1] and not zeros[0] else "UTF-32BE"
    if zeros in ([False, True, False, True], [True, False, True, False]):
        return "UTF-16LE" if zeros[1] else "UTF-16BE"
    return ""


def _undecodable(path: str, data: bytes, error: UnicodeDecodeError) -> InputProblem:
    if name := _wide(data):
        return InputProblem(path, _WIDE_TEXT.format(name), Position(1, 1))
    line, start = 1, 0
    for end in _LINE_END.finditer(data, 0, error.start):
        line, start = line + 1, end.end()
    column = len(data[start : error.start].decode("utf-8").removeprefix("\ufeff")) + 1
    reason = f"byte 0x{data[error.start]:02x} at offset {error.start} is not UTF-8"
    if b"\0" in data:
        reason += "; the file is not text"
    elif _fits_windows_1252(data):
        reason += "; the file looks like Windows-1252 (iconv -f WINDOWS-1252 -t UTF-8)"
    return InputProblem(path, reason, Position(line, column))


def _fits_windows_1252(data: bytes) -> bool:
    try:
        data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    return True
