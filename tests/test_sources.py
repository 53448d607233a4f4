"""Which files are read, in which order, and what is said about those that cannot be."""

from __future__ import annotations

import os
import random
import socket
import stat
from pathlib import Path

import pytest

from meshlint.findings import Skipped
from meshlint.sources import STDIN, Candidate, Discovery, InputProblem, discover, read
from meshlint.text import Position, SourceFile

OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"

needs_permissions = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
needs_fifo = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")


def write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(OBJECT)


def link(path: Path, target: str | Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.symlink_to(target)
    except OSError as error:
        pytest.skip(f"no symbolic links here: {error}")


def found(discovery: Discovery) -> list[str]:
    return [candidate.path for candidate in discovery.files]


def reasons(discovery: Discovery) -> dict[str, str]:
    return {skipped.file: skipped.reason for skipped in discovery.skipped}


def troubles(discovery: Discovery) -> dict[str, str]:
    return {problem.path: problem.reason for problem in discovery.problems}


def text_of(discovery: Discovery, path: str) -> str:
    candidate = next(c for c in discovery.files if c.path == path)
    source = read(candidate)
    assert isinstance(source, SourceFile)
    return source.text


# ------------------------------------------------------------------------------------ directories


def test_directory_is_read_down_to_the_last_level(tmp_path: Path) -> None:
    write(
        tmp_path, "b.yaml", "a/x.yml", "a/deep/er/y.json", "a/LOUD.YAML", "README.md", "notes.txt"
    )
    discovery = discover(["."], cwd=tmp_path)
    assert found(discovery) == ["a/LOUD.YAML", "a/deep/er/y.json", "a/x.yml", "b.yaml"]
    assert discovery.skipped == ()
    assert discovery.problems == ()


def test_order_of_arguments_does_not_matter(tmp_path: Path) -> None:
    names = [f"{folder}/{name}.yaml" for folder in "dbca" for name in "zyx"]
    write(tmp_path, *names, "top.yaml")
    link(tmp_path / "b/link", "../d")
    link(tmp_path / "0.yaml", "top.yaml")
    paths = ["a", "b", "c/z.yaml", "top.yaml", "c", ".", "d/../d", "*/x.yaml", "0.yaml"]
    expected = discover(paths, cwd=tmp_path)
    assert found(expected) == sorted([*names, "top.yaml"])
    for seed in range(20):
        shuffled = random.Random(seed).sample(paths, len(paths))
        assert discover(shuffled, cwd=tmp_path) == expected


def test_explicit_file_may_have_any_name(tmp_path: Path) -> None:
    write(tmp_path, "deployment", "list.txt")
    assert found(discover(["deployment", "list.txt"], cwd=tmp_path)) == ["deployment", "list.txt"]


def test_file_is_read_once_however_often_it_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a/x.yaml")
    paths = ["a", "a/x.yaml", "./a//x.yaml", "a/../a/x.yaml", str(tmp_path / "a" / "x.yaml"), "a/*"]
    assert found(discover(paths, cwd=tmp_path)) == ["a/x.yaml"]


def test_path_shown_outside_the_working_directory(tmp_path: Path) -> None:
    write(tmp_path, "shop/a.yaml", "other/b.yaml")
    shop = tmp_path / "shop"
    assert found(discover(["../other"], cwd=shop)) == ["../other/b.yaml"]
    absolute = str(tmp_path / "other")
    assert found(discover([absolute], cwd=shop)) == [f"{absolute}/b.yaml"]
    assert found(discover([str(shop / "a.yaml")], cwd=shop)) == ["a.yaml"]
    assert found(discover(["../shop"], cwd=shop)) == ["a.yaml"]


def test_absolute_path_through_a_link_to_the_working_directory(tmp_path: Path) -> None:
    write(tmp_path, "real/a.yaml")
    link(tmp_path / "alias", "real")
    discovery = discover([str(tmp_path / "alias" / "a.yaml")], cwd=tmp_path / "alias")
    assert found(discovery) == ["a.yaml"]


def test_kustomization_without_extension_is_read(tmp_path: Path) -> None:
    write(tmp_path, "Kustomization", "Kptfile")
    assert found(discover(["."], cwd=tmp_path)) == ["Kustomization"]


def test_hidden_directories_are_read(tmp_path: Path) -> None:
    write(tmp_path, ".github/workflows/build.yaml", ".hidden.yaml")
    assert found(discover(["."], cwd=tmp_path)) == [".github/workflows/build.yaml", ".hidden.yaml"]


def test_no_paths(tmp_path: Path) -> None:
    assert discover([], cwd=tmp_path) == Discovery((), (), ())


def test_empty_directory(tmp_path: Path) -> None:
    assert discover(["."], cwd=tmp_path) == Discovery((), (), ())


# ---------------------------------------------------------------------------------------- excluded


def test_directories_of_tools_are_left_out_and_counted(tmp_path: Path) -> None:
    tools = (".git", ".hg", ".svn", "node_modules", ".venv", "venv", ".tox", "__pycache__")
    write(tmp_path, "a.yaml", *(f"sub/{tool}/x.yaml" for tool in (*tools, ".terraform")))
    discovery = discover(["."], cwd=tmp_path)
    assert found(discovery) == ["a.yaml"]
    assert reasons(discovery) == dict.fromkeys(
        (f"sub/{tool}" for tool in (*tools, ".terraform")), "excluded by default"
    )


def test_named_directory_of_a_tool_is_read(tmp_path: Path) -> None:
    write(tmp_path, "node_modules/chart/x.yaml", "node_modules/chart/node_modules/y.yaml")
    discovery = discover(["node_modules", "."], cwd=tmp_path)
    assert found(discovery) == ["node_modules/chart/x.yaml"]
    assert list(reasons(discovery)) == ["node_modules/chart/node_modules"]


def test_pattern_can_take_a_directory_of_a_tool_in_again(tmp_path: Path) -> None:
    write(tmp_path, "venv/x.yaml", "sub/venv/y.yaml")
    discovery = discover(["."], exclude=["!/venv"], cwd=tmp_path)
    assert found(discovery) == ["venv/x.yaml"]


def test_exclude_patterns_are_those_of_gitignore(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.yaml",
        "a.gen.yaml",
        "keep.gen.yaml",
        "sub/b.gen.yaml",
        "vendor/x.yaml",
        "sub/vendor/y.yaml",
        "sub/c.yaml",
        "deep/er/z.yaml",
    )
    patterns = [
        "# a comment",
        "",
        "*.gen.yaml",
        "!keep.gen.yaml",
        "vendor/",
        "/c.yaml",
        "deep/**/z*",
    ]
    discovery = discover(["."], exclude=patterns, cwd=tmp_path)
    assert found(discovery) == ["a.yaml", "keep.gen.yaml", "sub/c.yaml"]
    assert reasons(discovery) == {
        "a.gen.yaml": "excluded by '*.gen.yaml'",
        "deep/er/z.yaml": "excluded by 'deep/**/z*'",
        "sub/b.gen.yaml": "excluded by '*.gen.yaml'",
        "sub/vendor": "excluded by 'vendor/'",
        "vendor": "excluded by 'vendor/'",
    }


def test_exclude_patterns_are_relative_to_the_root(tmp_path: Path) -> None:
    write(tmp_path, "shop/a.yaml", "shop/gen/b.yaml", "gen/c.yaml")
    exclude = ["/shop/gen"]
    inside = discover(["."], exclude=exclude, cwd=tmp_path / "shop", root=tmp_path)
    assert found(inside) == ["a.yaml"]
    assert found(discover(["."], exclude=exclude, cwd=tmp_path / "shop")) == [
        "a.yaml",
        "gen/b.yaml",
    ]
    outside = discover(["../gen"], exclude=["c.*"], cwd=tmp_path / "shop")
    assert reasons(outside) == {"../gen/c.yaml": "excluded by 'c.*'"}


def test_descent_stops_at_an_excluded_directory(tmp_path: Path) -> None:
    # With the rules of .gitignore a file cannot come back when its directory is left out.
    write(tmp_path, "out/keep.yaml")
    discovery = discover(["."], exclude=["out/", "!out/keep.yaml"], cwd=tmp_path)
    assert found(discovery) == []
    assert reasons(discovery) == {"out": "excluded by 'out/'"}


def test_named_paths_are_read_although_excluded(tmp_path: Path) -> None:
    write(tmp_path, "gen/a.yaml", "gen/b.skip.yaml", "c.skip.yaml")
    exclude = ["gen/", "*.skip.yaml"]
    discovery = discover(["gen", "c.skip.yaml"], exclude=exclude, cwd=tmp_path)
    assert found(discovery) == ["c.skip.yaml", "gen/a.yaml"]
    assert reasons(discovery) == {"gen/b.skip.yaml": "excluded by '*.skip.yaml'"}


def test_force_exclude_applies_to_named_paths(tmp_path: Path) -> None:
    write(tmp_path, "gen/a.yaml", "c.skip.yaml", "node_modules/d.yaml", "ok.yaml")
    paths = ["gen", "gen/a.yaml", "c.skip.yaml", "node_modules/d.yaml", "ok.yaml"]
    exclude = ["gen/", "*.skip.yaml"]
    discovery = discover(paths, exclude=exclude, force_exclude=True, cwd=tmp_path)
    assert found(discovery) == ["ok.yaml"]
    assert reasons(discovery) == {
        "c.skip.yaml": "excluded by '*.skip.yaml'",
        "gen": "excluded by 'gen/'",
        "gen/a.yaml": "excluded by 'gen/'",
        "node_modules/d.yaml": "excluded by default",
    }
    assert discovery.problems == ()


def test_force_exclude_leaves_the_root_alone(tmp_path: Path) -> None:
    write(tmp_path, "venv/a.yaml")
    discovery = discover(["."], force_exclude=True, cwd=tmp_path / "venv")
    assert found(discovery) == ["a.yaml"]


def test_exclude_pattern_that_is_none(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml")
    discovery = discover(["."], exclude=["!"], cwd=tmp_path)
    assert [problem.usage for problem in discovery.problems] == [True]
    assert "'!'" in discovery.problems[0].reason


def test_files_of_editors_are_counted_as_skipped(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "._a.yaml")
    link(tmp_path / ".#a.yaml", "someone@host.1234")
    discovery = discover(["."], cwd=tmp_path)
    assert found(discovery) == ["a.yaml"]
    assert set(reasons(discovery)) == {"._a.yaml", ".#a.yaml"}
    assert discovery.problems == ()


# ------------------------------------------------------------------------------------------- links


def test_links_to_files_and_directories_are_followed(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/x.yaml", "elsewhere/y.yaml", "in/a.yaml")
    link(tmp_path / "in/file.yaml", "../elsewhere/x.yaml")
    link(tmp_path / "in/folder", "../elsewhere")
    discovery = discover(["in"], cwd=tmp_path)
    # x.yaml is reached twice; the path that sorts first is shown.
    assert found(discovery) == ["in/a.yaml", "in/file.yaml", "in/folder/y.yaml"]


def test_file_keeps_its_own_path_when_a_link_leads_to_it_too(tmp_path: Path) -> None:
    write(tmp_path, "z/real.yaml")
    link(tmp_path / "a.yaml", "z/real.yaml")
    link(tmp_path / "b", "z")
    for paths in (["."], ["a.yaml", "b", "z"], ["z", "b", "a.yaml"]):
        assert found(discover(paths, cwd=tmp_path)) == ["z/real.yaml"]
    assert found(discover(["b"], cwd=tmp_path)) == ["b/real.yaml"]


def test_loop_of_directories(tmp_path: Path) -> None:
    write(tmp_path, "a/b/x.yaml")
    link(tmp_path / "a/b/up", "..")
    link(tmp_path / "a/b/self", ".")
    link(tmp_path / "a/b/root", "/")
    discovery = discover(["a"], cwd=tmp_path)
    assert found(discovery) == ["a/b/x.yaml"]
    above = "link to a directory above itself"
    assert reasons(discovery) == {"a/b/root": above, "a/b/self": above, "a/b/up": above}


def test_loop_between_two_directories(tmp_path: Path) -> None:
    write(tmp_path, "a/x.yaml", "b/y.yaml")
    link(tmp_path / "a/to-b", "../b")
    link(tmp_path / "b/to-a", "../a")
    assert found(discover(["a"], cwd=tmp_path)) == ["a/to-b/y.yaml", "a/x.yaml"]
    assert found(discover(["a", "b"], cwd=tmp_path)) == ["a/x.yaml", "b/y.yaml"]


def test_link_that_leads_back_to_itself(tmp_path: Path) -> None:
    link(tmp_path / "a.yaml", "b.yaml")
    link(tmp_path / "b.yaml", "a.yaml")
    link(tmp_path / "c", "c")
    discovery = discover(["."], cwd=tmp_path)
    reason = "is a link that leads back to itself"
    assert troubles(discovery) == {"a.yaml": reason, "b.yaml": reason}
    assert reasons(discovery) == {"c": "broken link"}
    assert not any(problem.usage for problem in discovery.problems)


def test_broken_links(tmp_path: Path) -> None:
    link(tmp_path / "gone.yaml", "nowhere/x.yaml")
    link(tmp_path / "gone", "nowhere")
    discovery = discover(["."], cwd=tmp_path)
    reason = "is a link to 'nowhere/x.yaml', which does not exist"
    assert troubles(discovery) == {"gone.yaml": reason}
    assert reasons(discovery) == {"gone": "broken link"}
    named = discover(["gone.yaml"], cwd=tmp_path)
    assert named.problems == (InputProblem("gone.yaml", reason),)


def test_parent_of_a_link_is_that_of_its_target(tmp_path: Path) -> None:
    write(tmp_path, "far/away/x.yaml", "far/y.yaml", "y.yaml")
    link(tmp_path / "near", "far/away")
    assert found(discover(["near/../y.yaml"], cwd=tmp_path)) == ["far/y.yaml"]


def test_excluded_link_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "far/x.yaml", "near/a.yaml")
    link(tmp_path / "near/vendor", "../far")
    discovery = discover(["near"], exclude=["vendor"], cwd=tmp_path)
    assert found(discovery) == ["near/a.yaml"]
    assert reasons(discovery) == {"near/vendor": "excluded by 'vendor'"}


# ------------------------------------------------------------------------------------ no such file


@pytest.mark.parametrize("path", ["missing.yaml", "missing/a.yaml", "a.yaml/b.yaml", "/missing/a"])
def test_missing_path_is_bad_usage(tmp_path: Path, path: str) -> None:
    write(tmp_path, "a.yaml")
    discovery = discover([path, "a.yaml"], cwd=tmp_path)
    assert discovery.problems == (InputProblem(path, "no such file or directory", usage=True),)
    assert found(discovery) == ["a.yaml"]


def test_empty_path_does_not_mean_the_working_directory(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml")
    discovery = discover([""], cwd=tmp_path)
    assert discovery.files == ()
    assert discovery.problems == (InputProblem("''", "an empty path", usage=True),)


def test_path_with_nul(tmp_path: Path) -> None:
    discovery = discover(["a\0b"], cwd=tmp_path)
    assert troubles(discovery) == {"a\\x00b": "a path cannot hold a NUL character"}


@needs_permissions
def test_unreadable_file_and_directory(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "closed/b.yaml", "c.yaml")
    (tmp_path / "a.yaml").chmod(0)
    (tmp_path / "closed").chmod(0)
    try:
        discovery = discover(["."], cwd=tmp_path)
        assert found(discovery) == ["a.yaml", "c.yaml"]
        assert troubles(discovery) == {"closed": "the directory cannot be read: permission denied"}
        assert read(discovery.files[0]) == InputProblem(
            "a.yaml", "cannot be read: permission denied"
        )
        below = discover(["closed/b.yaml"], cwd=tmp_path)
        assert below.problems == (
            InputProblem("closed/b.yaml", "cannot be read: permission denied"),
        )
    finally:
        (tmp_path / "closed").chmod(stat.S_IRWXU)


# ------------------------------------------------------------------------- pipes, sockets, devices


@needs_fifo
def test_pipe_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    os.mkfifo(tmp_path / "pipe")
    write(tmp_path, "a.yaml")
    discovery = discover(["."], cwd=tmp_path)
    assert found(discovery) == ["a.yaml"]
    assert reasons(discovery) == {"pipe.yaml": "pipe"}
    named = discover(["pipe"], cwd=tmp_path)
    assert named.files == ()
    assert "is a pipe, not a file" in troubles(named)["pipe"]
    assert "meshlint -" in troubles(named)["pipe"]


@needs_fifo
def test_file_that_becomes_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml")
    (candidate,) = discover(["."], cwd=tmp_path).files
    (tmp_path / "a.yaml").unlink()
    os.mkfifo(tmp_path / "a.yaml")
    assert read(candidate) == InputProblem("a.yaml", "is a pipe, not a file")


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no sockets in directories here")
def test_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The path of a socket may have about 100 bytes only.
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.yaml")
        discovery = discover(["."], cwd=tmp_path)
        assert reasons(discovery) == {"s.yaml": "socket"}
        named = discover(["s.yaml"], cwd=tmp_path)
        assert troubles(named) == {"s.yaml": "is a socket, not a file"}


@pytest.mark.skipif(not Path("/dev/null").is_char_device(), reason="no /dev/null here")
def test_device(tmp_path: Path) -> None:
    assert troubles(discover(["/dev/null"], cwd=tmp_path)) == {
        "/dev/null": "is a device, not a file"
    }
    link(tmp_path / "null.yaml", "/dev/null")
    assert reasons(discover(["."], cwd=tmp_path)) == {"null.yaml": "device"}


def test_directory_named_like_a_manifest(tmp_path: Path) -> None:
    write(tmp_path, "dir.yaml/a.yaml")
    assert found(discover(["."], cwd=tmp_path)) == ["dir.yaml/a.yaml"]


# ------------------------------------------------------------------------------------------- names


@pytest.mark.skipif(os.name == "nt", reason="no such names on this platform")
def test_names_that_cannot_be_shown(tmp_path: Path) -> None:
    try:
        for name in (b"line\nbreak.yaml", b"caf\xe9.yaml", b"esc\x1b[31m.yaml"):
            Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text(OBJECT)
    except OSError as error:
        pytest.skip(f"no such names on this file system: {error}")
    write(tmp_path, "größe.yaml")
    discovery = discover(["."], cwd=tmp_path)
    expected = ["caf\\xe9.yaml", "esc\\x1b[31m.yaml", "größe.yaml", "line\\x0abreak.yaml"]
    assert found(discovery) == expected
    assert all(text_of(discovery, path) == OBJECT for path in expected)
    paths = [candidate.location for candidate in discovery.files]
    assert found(discover(paths, cwd=tmp_path)) == expected
    assert all(path.encode("utf-8") for path in found(discovery))


# ---------------------------------------------------------------------------------------- patterns


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write(
        tmp_path,
        "a.yaml",
        "b.yml",
        "README.md",
        "prod/x.yaml",
        "prod/deep/y.yaml",
        "prod/deep/er/z.yaml",
        "prod/.hidden/h.yaml",
        "test/x.yaml",
        "node_modules/n.yaml",
    )
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.yaml", ["a.yaml"]),
        ("*.y*ml", ["a.yaml", "b.yml"]),
        ("?.yml", ["b.yml"]),
        ("*/x.yaml", ["prod/x.yaml", "test/x.yaml"]),
        ("[pq]rod/x.yaml", ["prod/x.yaml"]),
        ("[!p]*/x.yaml", ["test/x.yaml"]),
        ("**/x.yaml", ["prod/x.yaml", "test/x.yaml"]),
        (
            "**/*.yaml",
            [
                "a.yaml",
                "prod/deep/er/z.yaml",
                "prod/deep/y.yaml",
                "prod/x.yaml",
                "test/x.yaml",
            ],
        ),
        ("prod/**/z.yaml", ["prod/deep/er/z.yaml"]),
        ("prod/**/**/er/**/z.yaml", ["prod/deep/er/z.yaml"]),
        ("./prod/../t*/x.yaml", ["test/x.yaml"]),
        ("prod/.h*/*.yaml", ["prod/.hidden/h.yaml"]),
        # A directory that fits is read as if it were named.
        ("pro*", ["prod/.hidden/h.yaml", "prod/deep/er/z.yaml", "prod/deep/y.yaml", "prod/x.yaml"]),
        ("test/**", ["test/x.yaml"]),
        ("node_mod*/*", ["node_modules/n.yaml"]),
        ("*.md", ["README.md"]),
        ("[a-b].*", ["a.yaml", "b.yml"]),
    ],
)
def test_pattern_that_the_shell_did_not_expand(
    tree: Path, pattern: str, expected: list[str]
) -> None:
    discovery = discover([pattern], cwd=tree)
    assert found(discovery) == expected
    assert discovery.problems == ()


def test_open_pattern_takes_only_what_a_directory_would(tree: Path) -> None:
    assert "README.md" not in found(discover(["*"], cwd=tree))


def test_absolute_pattern(tree: Path) -> None:
    assert found(discover([f"{tree}/*/x.yaml"], cwd=tree)) == ["prod/x.yaml", "test/x.yaml"]


def test_pattern_without_a_match_is_bad_usage(tree: Path) -> None:
    problems = discover(["*.toml"], cwd=tree).problems
    assert problems == (InputProblem("*.toml", "no file fits this pattern", usage=True),)


def test_name_with_wildcards_is_meant_literally_where_it_exists(tmp_path: Path) -> None:
    write(tmp_path, "[a].yaml", "a.yaml")
    assert found(discover(["[a].yaml"], cwd=tmp_path)) == ["[a].yaml"]


def test_pattern_does_not_follow_links_into_loops(tmp_path: Path) -> None:
    write(tmp_path, "a/x.yaml")
    for number in range(4):
        link(tmp_path / f"a/loop{number}", ".")
    assert found(discover(["**/x.yaml"], cwd=tmp_path)) == ["a/x.yaml"]


# ----------------------------------------------------------------------------------- standard input


def test_standard_input(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml")
    reads: list[int] = []

    def load() -> bytes:
        reads.append(1)
        return OBJECT.encode()

    discovery = discover(["-", "a.yaml", "-"], stdin=load, cwd=tmp_path)
    assert found(discovery) == [STDIN, "a.yaml"]
    assert text_of(discovery, STDIN) == OBJECT
    assert len(reads) == 1


def test_no_standard_input(tmp_path: Path) -> None:
    assert discover(["-"], cwd=tmp_path).problems[0].usage


def test_file_named_like_standard_input(tmp_path: Path) -> None:
    write(tmp_path, "-")
    assert found(discover(["./-"], cwd=tmp_path)) == ["-"]


# ------------------------------------------------------------------------------------ surroundings


def test_kustomizations_and_charts_around_a_file(tmp_path: Path) -> None:
    write(tmp_path, "above/kustomization.yaml")
    (tmp_path / "repo/.git").mkdir(parents=True)
    write(
        tmp_path,
        "repo/kustomization.yml",
        "repo/overlay/Kustomization",
        "repo/overlay/patches/p.yaml",
        "repo/chart/Chart.yaml",
        "repo/chart/templates/deep/t.yaml",
        "kustomization.yaml",
    )
    repo = os.path.realpath(tmp_path / "repo")
    one = discover(["repo/overlay/patches/p.yaml"], cwd=tmp_path)
    assert [k.path for k in one.kustomizations] == [
        "repo/kustomization.yml",
        "repo/overlay/Kustomization",
    ]
    two = discover(["repo/chart/templates/deep/t.yaml"], cwd=tmp_path)
    assert two.charts == {f"{repo}/chart"}
    whole = discover(["repo"], cwd=tmp_path)
    assert whole.kustomizations == ()
    assert whole.charts == {f"{repo}/chart"}
    part = discover(["repo/overlay"], cwd=tmp_path)
    assert [k.path for k in part.kustomizations] == ["repo/kustomization.yml"]


def test_excluded_kustomization_still_tells_what_is_a_patch(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write(tmp_path, "kustomization.yaml", "patch.yaml")
    discovery = discover(["."], exclude=["kustomization.yaml"], cwd=tmp_path)
    assert found(discovery) == ["patch.yaml"]
    assert [k.path for k in discovery.kustomizations] == ["kustomization.yaml"]


# ----------------------------------------------------------------------------------------- reading


def content(data: bytes) -> SourceFile | Skipped | InputProblem:
    return read(Candidate("a.yaml", "", data))


def test_line_ends_stay_as_they_are() -> None:
    source = content(b"a: 1\r\nb: 2\rc: 3\n")
    assert isinstance(source, SourceFile)
    assert source.text == "a: 1\r\nb: 2\rc: 3\n"


def test_byte_order_mark_is_no_part_of_the_text() -> None:
    source = content("\ufeffa: \ufeff\n".encode())
    assert isinstance(source, SourceFile)
    assert source.text == "a: \ufeff\n"


@pytest.mark.parametrize("data", [b"", b"\n", b" \r\n\t", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_empty_file_is_counted_as_skipped(data: bytes) -> None:
    assert content(data) == Skipped("a.yaml", "empty")


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-16", "UTF-16"),
        ("utf-32", "UTF-32"),
        ("utf-16-le", "UTF-16LE"),
        ("utf-16-be", "UTF-16BE"),
        ("utf-32-le", "UTF-32LE"),
        ("utf-32-be", "UTF-32BE"),
    ],
)
def test_wide_encodings_are_named(encoding: str, name: str) -> None:
    problem = content(OBJECT.encode(encoding))
    assert isinstance(problem, InputProblem)
    assert problem.reason.startswith(f"is {name} text")
    assert f"iconv -f {name} -t UTF-8" in problem.reason
    assert problem.position == Position(1, 1)
    assert not problem.usage


def test_wide_encoding_with_characters_that_are_no_utf_8() -> None:
    problem = content("name: größe\n".encode("utf-16-le"))
    assert isinstance(problem, InputProblem)
    assert problem.reason.startswith("is UTF-16LE text")


def test_place_of_a_byte_that_is_not_utf_8() -> None:
    data = b"# \xc3\xa9t\xc3\xa9\r\na: 1\rb: 2\ncaf\xc3\xa9: caf\xe9\n"
    problem = content(data)
    assert isinstance(problem, InputProblem)
    assert problem.position == Position(4, 10)
    assert problem.reason.startswith(f"byte 0xe9 at offset {data.index(0xE9)} is not UTF-8")
    assert "Windows-1252" in problem.reason


def test_column_does_not_count_the_byte_order_mark() -> None:
    problem = content(b"\xef\xbb\xbfab\xff")
    assert isinstance(problem, InputProblem)
    assert problem.position == Position(1, 3)


def test_bytes_that_are_no_text() -> None:
    problem = content(b"\x1f\x8b\x08\x00\x00\x00\x81\xff")
    assert isinstance(problem, InputProblem)
    assert problem.reason.endswith("the file is not text")


def test_no_encoding_is_named_where_none_fits() -> None:
    problem = content(b"a: \x81\n")
    assert isinstance(problem, InputProblem)
    assert problem.reason == "byte 0x81 at offset 3 is not UTF-8"


def test_file_that_vanishes(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml")
    (candidate,) = discover(["."], cwd=tmp_path).files
    (tmp_path / "a.yaml").unlink()
    assert read(candidate) == InputProblem("a.yaml", "is gone since the run began")


def test_file_that_becomes_a_directory(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml")
    (candidate,) = discover(["."], cwd=tmp_path).files
    (tmp_path / "a.yaml").unlink()
    (tmp_path / "a.yaml").mkdir()
    problem = read(candidate)
    assert isinstance(problem, InputProblem)
    assert problem.path == "a.yaml"


def test_large_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"# " + b"x" * 5_000_000 + b"\n")
    discovery = discover(["."], cwd=tmp_path)
    assert len(text_of(discovery, "a.yaml")) == 5_000_003


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="no /proc here")
def test_file_that_does_not_know_its_size() -> None:
    source = read(Candidate("status", "/proc/self/status"))
    assert isinstance(source, SourceFile)
    assert "Pid:" in source.text
