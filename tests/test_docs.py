"""Every command in the readme and in the documentation runs, and prints what the page shows.

A page is worked through from top to bottom in an empty directory:

- a block ```yaml title="path" is the content of a file, whatever the language;
- each `$ command` of a ```console block is run, and its output compared with the lines below it,
  where there are any; a line `...` stands for any lines. A command ends with 0 or 1, unless
  `$ echo $?` follows and shows another code;
- `<!-- test: copy DIR as NAME -->` puts a folder of the project there;
- `<!-- test: skip, REASON -->` above a block says why it cannot be run here.

`pytest tests/test_docs.py --update-golden` writes the outputs; read them in the diff.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

import meshlint
from meshlint.cli import main
from meshlint.ruleset import load_builtin

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(path for path in DOCS.rglob("*.md") if path.parent.name != "rules"),
]
SHELLS = {"console", "sh", "bash", "shell"}


@dataclass
class Command:
    text: str
    line: int
    """Number of the first line of its output, from 0."""
    output: list[str] = field(default_factory=list)


@dataclass
class Block:
    language: str
    title: str
    directive: str
    line: int
    body: list[str]

    @property
    def commands(self) -> Iterator[Command]:
        lines = list(enumerate(self.body, self.line + 1))
        current: Command | None = None
        while lines:
            number, text = lines.pop(0)
            if text.startswith("$ "):
                if current is not None:
                    yield current
                text = text[2:]
                while text.endswith("\\"):
                    number, more = lines.pop(0)
                    text += f"\n{more}"
                current = Command(text, number + 1)
            elif current is not None:
                current.output.append(text)
        if current is not None:
            yield current


_FENCE = re.compile(r'(?P<fence>`{3,})(?P<language>\w*)(?: +title="(?P<title>[^"]+)")?.*')
_DIRECTIVE = re.compile(r"<!-- test: (.+) -->")


def blocks(page: Path) -> Iterator[Block]:
    lines = page.read_text(encoding="utf-8").split("\n")
    directive = ""
    at = 0
    while at < len(lines):
        if found := _DIRECTIVE.fullmatch(lines[at]):
            directive = found[1]
            if directive.startswith("copy "):
                yield Block("", "", directive, at, [])
                directive = ""
        elif fence := _FENCE.fullmatch(lines[at]):
            end = lines.index(fence["fence"], at + 1)
            title = fence["title"] or ""
            yield Block(fence["language"], title, directive, at, lines[at + 1 : end])
            directive = ""
            at = end
        at += 1


def skipped() -> list[object]:
    return [
        pytest.param(block.directive, id=f"{page.relative_to(ROOT)}:{block.line + 1}")
        for page in PAGES
        for block in blocks(page)
        if block.directive.startswith("skip, ")
    ]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "meshlint"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m meshlint "$@"\n')
    command.chmod(0o755)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "80",
        "MESHLINT_TODAY": "2026-06-30",
        "HOME": str(tmp_path),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **{
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "docs"), ("EMAIL", "docs@example.com"))
        },
    }


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_can_be_followed(
    page: Path, tmp_path: Path, environment: dict[str, str], update_golden: bool
) -> None:
    here = tmp_path / "page"
    here.mkdir()
    changes: list[tuple[Command, list[str]]] = []
    code = 0
    for block in blocks(page):
        where = f"{page.name}:{block.line + 1}"
        if copied := re.fullmatch(r"copy (\S+) as (\S+)", block.directive):
            shutil.copytree(ROOT / copied[1], here / copied[2])
        if block.directive.startswith("skip, "):
            continue
        if block.title:
            (here / block.title).parent.mkdir(parents=True, exist_ok=True)
            (here / block.title).write_text("\n".join(block.body) + "\n")
            continue
        if block.language not in SHELLS:
            continue
        commands = list(block.commands)
        assert block.language == "console", f"{where}: commands stand in a console block"
        assert commands, f"{where}: a command starts with '$ '"
        for number, command in enumerate(commands):
            done = subprocess.run(
                ["bash", "-c", f"(exit {code}); {command.text}"],
                cwd=here,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=120,
                check=False,
            )
            code = done.returncode
            answered = commands[number + 1 : number + 2]
            if not (answered and answered[0].text == "echo $?"):
                assert code in (0, 1), f"{where}: {command.text}: {code}\n{done.stdout}"
            actual = done.stdout.rstrip("\n").split("\n") if done.stdout.strip() else []
            if command.output and not fits(command.output, actual):
                if update_golden and "..." not in command.output:
                    changes.append((command, actual))
                    continue
                assert command.output == actual, f"{where}: {command.text}"
    if changes:
        write_outputs(page, changes)


def fits(shown: list[str], actual: list[str]) -> bool:
    """Whether an output is as shown, where `...` stands for any lines."""
    # The number of rules changes often and is of no interest here.
    shown, actual = ([re.sub(r"\d+ rules", "N rules", line) for line in x] for x in (shown, actual))
    parts = [re.escape(line) + "\n" if line != "..." else r"(?:.*\n)*" for line in shown]
    return re.fullmatch("".join(parts), "".join(f"{line}\n" for line in actual)) is not None


def write_outputs(page: Path, changes: list[tuple[Command, list[str]]]) -> None:
    lines = page.read_text(encoding="utf-8").split("\n")
    for command, actual in reversed(changes):
        lines[command.line : command.line + len(command.output)] = actual
    page.write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize("directive", skipped())
def test_block_that_needs_more_than_this_machine(directive: str) -> None:
    pytest.skip(directive.removeprefix("skip, "))


SCHEMAS = {
    ".github/workflows/": ("vendor.github-workflows",),
    ".gitlab-ci.yml": ("vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
}


def ci_files() -> list[object]:
    return [
        pytest.param(block, options, id=f"{page.relative_to(ROOT)}:{block.title}")
        for page in PAGES
        for block in blocks(page)
        for start, options in SCHEMAS.items()
        if block.title.startswith(start)
    ]


@pytest.mark.parametrize(("block", "options"), ci_files())
def test_ci_files_are_valid(block: Block, options: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / Path(block.title).name
    path.write_text("\n".join(block.body) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *options, path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --------------------------------------------------------------------------------------- links

_LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^(`{3,}).*?^\1$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target in _LINK.findall(text):
        if target.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), f"{page.name}: {target}"
        if anchor:
            heads = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", head).strip().lower() for head in heads}
            assert anchor in {slug.replace(" ", "-") for slug in slugs}, f"{page.name}: {target}"


def test_every_page_is_in_the_navigation() -> None:
    listed = set(
        re.findall(r"^ +- (?:[\w ]+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M)
    )
    pages = {path.relative_to(DOCS).as_posix() for path in PAGES if DOCS in path.parents}
    assert listed == pages | {"rules/README.md"}


def test_rules_named_in_pages_exist() -> None:
    rules = {rule.id for rule in load_builtin()}
    for page in PAGES:
        if page.name == "CHANGELOG.md":
            continue
        named = re.findall(
            r"rules/([a-z0-9-]+)\.md|(?:ignore\[|ignore\.meshlint\.io/)([a-z0-9-]+)",
            page.read_text(),
        )
        categories = {rule.category for rule in load_builtin()}
        for pair in named:
            name = pair[0] or pair[1]
            assert name in rules | categories, f"{page.name}: {name}"


# ------------------------------------------------------------------------ what is generated


def test_man_page_renders_without_warnings(tmp_path: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("no man here")
    done = subprocess.run(
        ["man", "--warnings=w", "-E", "UTF-8", "-l", "-P", "cat", ROOT / "man" / "meshlint.1"],
        capture_output=True,
        text=True,
        env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"},
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == ""
    plain = re.sub(".\b", "", done.stdout)
    for part in ("EXIT STATUS", "--write-baseline", "--istio-version VERSION", "meshlint init"):
        assert part in plain


def test_configuration_reference_names_every_setting() -> None:
    schema = json.loads((ROOT / "meshlint" / "config.schema.json").read_text())
    text = (DOCS / "reference" / "configuration.md").read_text()
    for name, setting in schema["properties"].items():
        assert f"\n## {name}\n\n{setting['description']}\n" in text


def test_findings_link_to_the_published_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meshlint, "DOCS_URL", "https://docs.example/meshlint")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cart.yaml").write_text("kind: Deployment\napiVersion: apps/v1\n")
    own = tmp_path / "rules" / "owner-missing.yaml"
    own.parent.mkdir()
    own.write_text(
        "id: owner-missing\ntitle: No owner\nseverity: warning\nprofiles: [production]\n"
        "subjects: [apps/Deployment]\ncontext: self\nmessage: Nobody answers for it.\n"
        "schema: {at: resource, must: {required: [owner]}}\nreferences: []\n"
        "rationale: Alerts that nobody receives help nobody at all.\n"
        "remediation: Write down who answers for it, as a label.\n"
    )
    arguments = ["--rules", "rules", "--profile", "all", "--format", "json", "cart.yaml"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code in (0, 1), done.output
    links = {entry["rule"]: entry["help"] for entry in json.loads(done.stdout)["findings"]}
    assert links.pop("owner-missing") == "meshlint explain owner-missing"
    assert links
    for rule, link in links.items():
        assert link == f"https://docs.example/meshlint/rules/{rule}/"
