"""What is built holds what it needs, and the version says the same everywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import meshlint

ROOT = Path(__file__).resolve().parents[1]
LOCKS = [ROOT / "requirements.lock", ROOT / "requirements-dev.lock"]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel built from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return out


@pytest.fixture(scope="module")
def unpacked_wheel(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        wheel.extractall(target)
    return target


@pytest.fixture(scope="module")
def metadata(unpacked_wheel: Path) -> Path:
    return next(unpacked_wheel.glob("*.dist-info"))


@pytest.mark.slow
def test_wheel_holds_the_package_and_nothing_else(unpacked_wheel: Path, metadata: Path) -> None:
    data = unpacked_wheel / f"meshlint-{meshlint.__version__}.data"
    assert {path.name for path in unpacked_wheel.iterdir()} == {
        "meshlint",
        metadata.name,
        data.name,
    }
    shared = [p.relative_to(data).as_posix() for p in data.rglob("*") if p.is_file()]
    assert shared == ["data/share/man/man1/meshlint.1"]
    package = ROOT / "meshlint"
    expected = {
        path.relative_to(package)
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    compiled = {Path("_rules/rules.jsonl"), Path("_rules/docs.tsv")}
    actual = {
        path.relative_to(unpacked_wheel / "meshlint")
        for path in (unpacked_wheel / "meshlint").rglob("*")
        if path.is_file()
    }
    assert actual == expected | compiled


@pytest.mark.slow
def test_wheel_declares_the_command(metadata: Path) -> None:
    entry_points = ConfigParser()
    entry_points.read(metadata / "entry_points.txt")
    assert dict(entry_points["console_scripts"]) == {"meshlint": "meshlint.__main__:main"}


@pytest.mark.slow
def test_wheel_knows_every_rule_of_the_checkout(unpacked_wheel: Path, tmp_path: Path) -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "meshlint", "rules", "--format", "json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(unpacked_wheel)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr
    declared = {path.stem for path in (ROOT / "rules").rglob("*.yaml")}
    assert {rule["id"] for rule in json.loads(listed.stdout)} == declared


@pytest.mark.slow
def test_sdist_holds_what_its_test_suite_reads(dist: Path) -> None:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    for folder in ("meshlint", "rules", "fixtures", "tests", "docs", "examples"):
        missing = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and not {"__pycache__", ".hypothesis"} & set(path.parts)
        } - names
        assert not missing, folder


@pytest.mark.slow
def test_locked_versions_satisfy_the_declared_ranges(metadata: Path) -> None:
    declared = Parser().parsestr((metadata / "METADATA").read_text())
    for text in declared.get_all("Requires-Dist", []):
        requirement = Requirement(text)
        run_time = "extra ==" not in str(requirement.marker)
        for lock in LOCKS if run_time else LOCKS[1:]:
            name = re.sub(r"[._]", "-", requirement.name)
            pins = re.findall(rf"^{re.escape(name)}==(\S+)", lock.read_text(), re.MULTILINE)
            assert pins, f"{lock.name} lacks {requirement}: make lock"
            for pin in pins:
                assert requirement.specifier.contains(pin), f"{lock.name}: {name}=={pin}, {text}"


@pytest.mark.parametrize(
    "lock", [*LOCKS, ROOT / "requirements-docs.lock"], ids=lambda lock: lock.name
)
def test_lock_file_pins_by_hash_and_names_no_index(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    for pin in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"\S+==\S+", pin), pin
        assert "--hash=sha256:" in pin, pin


def test_changelog_begins_with_this_version() -> None:
    headings = re.findall(
        r"^## \[(.+?)\] - (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    (version, date), *released = headings
    assert version == meshlint.__version__
    assert re.fullmatch(r"Unreleased|\d{4}-\d\d-\d\d", date)
    assert "Unreleased" not in {date for _, date in released}
