"""The two pre-commit hooks, run by pre-commit itself from a clone of the project."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RULE = "hpa-target-duplicate"

AUTOSCALER = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {name}
  namespace: shop
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {target}
  minReplicas: 3
  maxReplicas: 9
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: 70
"""
WORKFLOW = """\
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: make
"""


def run(*command: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    # GIT_* of a surrounding hook run would point git at the wrong repository.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return subprocess.run(
        command, cwd=cwd, env=inherited | env, capture_output=True, text=True, check=False
    )


def git(cwd: Path, *arguments: str | Path) -> None:
    identity = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.org")
    done = run("git", *identity, *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the checkout's last commit."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    clone = tmp_path_factory.mktemp("hooks") / "meshlint"
    git(ROOT, "clone", "--quiet", "--no-hardlinks", ROOT, clone)
    return clone


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pre-commit keeps the installed hook from one test to the next."""
    return tmp_path_factory.mktemp("pre-commit-home")


@pytest.fixture
def shop(tmp_path: Path, project: Path) -> Path:
    """A user's repository, in which one file is bad only because of what another one says."""
    revision = run("git", "rev-parse", "HEAD", cwd=project).stdout.strip()
    hooks = "hooks: [{id: meshlint}, {id: meshlint-changed}]"
    files = {
        ".pre-commit-config.yaml": f"repos: [{{repo: {project}, rev: {revision}, {hooks}}}]\n",
        ".meshlint.yaml": "profile: recommended\nexclude: [old]\n",
        "manifests/cart.yaml": AUTOSCALER.format(name="cart", target="cart"),
        "manifests/orders.yaml": AUTOSCALER.format(name="orders", target="orders"),
        "manifests/peak.yaml": AUTOSCALER.format(name="peak", target="orders"),
        "old/cart.yaml": AUTOSCALER.format(name="old", target="cart"),
        ".github/workflows/build.yaml": WORKFLOW,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "Add the shop")
    return tmp_path


def pre_commit(shop: Path, home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "pre_commit", *arguments, "--color=never", "--verbose")
    done = run(*command, cwd=shop, PRE_COMMIT_HOME=str(home))
    assert "An unexpected error" not in done.stdout, done.stdout
    return done


def assert_passed(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def assert_reported(done: subprocess.CompletedProcess[str], place: str) -> None:
    """The hook ended with findings, all of them of the rule and in one file."""
    assert "exit code: 1\n" in done.stdout, done.stdout + done.stderr
    places = re.findall(r"^ *--> (\S+?):\d+:\d+\b", done.stdout, re.MULTILINE)
    assert places == [place], done.stdout
    assert f"[{RULE}]" in done.stdout


def test_manifest_is_valid() -> None:
    command = (sys.executable, "-m", "pre_commit", "validate-manifest", ".pre-commit-hooks.yaml")
    assert_passed(run(*command, cwd=ROOT))


@pytest.mark.slow
def test_hook_lints_the_whole_tree(shop: Path, home: Path, project: Path) -> None:
    done = pre_commit(shop, home, "try-repo", project, "meshlint", "--all-files")
    assert_reported(done, "manifests/peak.yaml")


@pytest.mark.slow
def test_hook_passes_good_manifests(shop: Path, home: Path) -> None:
    (shop / "manifests/peak.yaml").write_text(AUTOSCALER.format(name="peak", target="peak"))
    assert_passed(pre_commit(shop, home, "run", "meshlint", "--all-files"))


@pytest.mark.slow
def test_hook_lints_after_a_mere_deletion(shop: Path, home: Path) -> None:
    git(shop, "rm", "--quiet", "manifests/cart.yaml")
    assert_reported(pre_commit(shop, home, "run", "meshlint"), "manifests/peak.yaml")


@pytest.mark.slow
def test_changed_hook_judges_the_changed_file_against_the_tree(shop: Path, home: Path) -> None:
    done = pre_commit(shop, home, "run", "meshlint-changed", "--files", "manifests/peak.yaml")
    assert_reported(done, "manifests/peak.yaml")


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param("manifests/cart.yaml", id="good"),
        pytest.param("old/cart.yaml", id="excluded"),
        pytest.param(".github/workflows/build.yaml", id="of another tool"),
    ],
)
def test_changed_hook_reports_on_no_other_file(shop: Path, home: Path, changed: str) -> None:
    assert_passed(pre_commit(shop, home, "run", "meshlint-changed", "--files", changed))
