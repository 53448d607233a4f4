"""The GitHub action: its steps, carried out as a runner would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
ACTION = YAML(typ="safe").load(ROOT / "action.yml")
SCRIPTS = sorted((ROOT / "action").glob("*.sh"))
WORKFLOWS = sorted((ROOT / "examples/workflows").glob("*.yml"))
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
HOSTILE = """'"; touch pwned; $(touch pwned) `touch pwned` ${{ github.token }}"""
MODULES = ("click", "json", "meshlint", "pathlib", "pip", "secrets", "venv")


# ------------------------------------------------------------------------- a runner of actions


@dataclass
class Job:
    """What is left of a job whose only step is the action."""

    failed: bool = False
    exit_codes: dict[str, int] = field(default_factory=dict)
    """Of the steps that ran a script."""
    log: str = ""
    summary: str = ""
    uploads: list[dict[str, str]] = field(default_factory=list)
    steps: dict[str, SimpleNamespace] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def heard(self) -> list[str]:
        """Lines of the log in which the runner looks for commands."""
        lines = []
        resume = ""
        for line in map(str.strip, self.log.splitlines()):
            if line.startswith("::stop-commands::"):
                resume = line.removeprefix("::stop-commands::")
            elif resume and line == f"::{resume}::":
                resume = ""
            elif not resume:
                lines.append(line)
        assert not resume, "commands stay stopped"
        return lines

    @property
    def commands(self) -> list[tuple[str, dict[str, str]]]:
        """Commands that the runner found in the log: properties, and the text as `message`."""
        found = []
        for line in self.heard:
            if command := re.fullmatch(r"::([\w-]+)(?: (.*?))?::(.*)", line):
                pairs = (pair.partition("=") for pair in (command[2] or "").split(","))
                properties = {key: value for key, _, value in pairs if key}
                found.append((command[1], properties | {"message": command[3]}))
        return found


def value_of(expression: str, contexts: dict[str, Any]) -> Any:
    """What an expression of GitHub's comes to; of its functions only cancelled()."""
    tokens = re.findall(r"'[^']*'|&&|\|\||==|!=|[!()]|[\w.-]+", expression)
    assert "".join(tokens) == expression.replace(" ", ""), f"cannot be evaluated: {expression}"
    words = {"&&": " and ", "||": " or ", "==": "==", "!=": "!=", "!": " not ", "(": "(", ")": ")"}
    python = ""
    for token in tokens:
        if token[0] == "'" or token in words:
            python += words.get(token, token)
        elif token == "cancelled":
            python += "bool"
        else:
            found: Any = contexts
            for name in token.split("."):
                found = found.get(name, "") if isinstance(found, dict) else ""
            python += repr(found)
    return eval(python)  # the text is the project's own, and nothing but literals and operators


def resolved(text: str, contexts: dict[str, Any]) -> str:
    def one(match: re.Match[str]) -> str:
        value = value_of(match[1].strip(), contexts)
        return str(value).lower() if isinstance(value, bool) else str(value)

    return re.sub(r"\$\{\{(.*?)\}\}", one, text)


def read_outputs(path: Path) -> dict[str, str]:
    outputs = {}
    lines = iter(path.read_text().splitlines())
    for line in lines:
        name, equals, value = line.partition("=")
        if "<<" in name or not equals:
            name, _, end = line.partition("<<")
            assert end, f"not an output: {line}"
            value = "\n".join(iter(lambda end=end: next(lines, end), end))
        outputs[name] = value
    return outputs


@dataclass
class Runner:
    workspace: Path
    temp: Path
    event: dict[str, Any] = field(default_factory=lambda: {"name": "push"})
    actor: str = "octocat"
    upload_fails: bool = False
    python: str | None = sys.executable
    """Stands for what the step `install` makes; None carries that step out."""

    def run(self, **inputs: str) -> Job:
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        assert given.keys() <= ACTION["inputs"].keys()
        defaults = {name: str(entry["default"]) for name, entry in ACTION["inputs"].items()}
        contexts: dict[str, Any] = {
            "inputs": defaults | given,
            "github": {"event": self.event},
            "steps": {},
        }
        job = Job()
        for number, step in enumerate(ACTION["runs"]["steps"]):
            condition = step.get("if", "true").removeprefix("${{").removesuffix("}}").strip()
            wanted = condition == "true" or value_of(condition, contexts)
            outcome, outputs = "skipped", {}
            if wanted and (not job.failed or "cancelled()" in condition):
                outcome, outputs = self._step(job, step, contexts, self.temp / f"step-{number}")
                tolerated = resolved(step.get("continue-on-error", "false"), contexts) == "true"
                job.failed |= outcome == "failure" and not tolerated
            if "id" in step:
                contexts["steps"][step["id"]] = {"outcome": outcome, "outputs": outputs}
        job.outputs = {
            name: resolved(entry["value"], contexts) for name, entry in ACTION["outputs"].items()
        }
        return job

    def _step(
        self, job: Job, step: dict[str, Any], contexts: dict[str, Any], files: Path
    ) -> tuple[str, dict[str, str]]:
        if "uses" in step:
            job.uploads.append(
                {name: resolved(text, contexts) for name, text in step["with"].items()}
            )
            return "failure" if self.upload_fails else "success", {}
        if step.get("id") == "install" and self.python is not None:
            return "success", {"python": self.python}
        files.mkdir(exist_ok=True)
        output, summary = files / "output", files / "summary"
        output.write_text("")
        summary.write_text("")
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_ACTOR": self.actor,
            "GITHUB_EVENT_NAME": self.event["name"],
            "GITHUB_OUTPUT": str(output),
            "GITHUB_REPOSITORY": "shop/manifests",
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temp),
            **{name: resolved(text, contexts) for name, text in step.get("env", {}).items()},
        }
        script = files / "script.sh"
        script.write_text(resolved(step["run"], contexts))
        # As `shell: bash` does: https://docs.github.com/en/actions, "Exit codes and error action".
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=self.workspace,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        job.exit_codes[step["name"]] = done.returncode
        job.log += done.stdout
        job.summary += summary.read_text()
        return "failure" if done.returncode else "success", read_outputs(output)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A runner whose workspace holds three autoscalers, the third one bad, and hostile modules."""
    workspace, temp = tmp_path / "work space", tmp_path / "runner temp"
    files = {
        ".meshlint.yaml": "profile: recommended\n",
        "manifests/cart.yaml": AUTOSCALER.format(name="cart", target="cart"),
        "manifests/orders.yaml": AUTOSCALER.format(name="orders", target="orders"),
        "manifests/peak.yaml": AUTOSCALER.format(name="peak", target="orders"),
    } | {f"{module}.py": "open('pwned', 'w')\n" for module in MODULES}
    for name, text in files.items():
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(text)
    temp.mkdir()
    return Runner(workspace, temp)


def assert_unharmed(runner: Runner) -> None:
    assert not [*runner.workspace.parent.rglob("pwned")]


def assert_judged(job: Job, exit_code: int) -> None:
    """The job ends with the exit code, and everything before the last step went well."""
    assert job.exit_codes.pop("Judge", None) == exit_code, job.log
    assert set(job.exit_codes.values()) == {0}, job.log
    assert job.failed == (exit_code != 0)
    assert job.outputs["exit-code"] == str(exit_code)


# ----------------------------------------------------------------------------------- the runs


def test_findings_reach_every_place_in_one_run(runner: Runner) -> None:
    job = runner.run()
    assert_judged(job, 1)
    counts = [job.outputs[name] for name in ("findings", "errors", "warnings")]
    [(_, annotation)] = [command for command in job.commands if "file" in command[1]]
    assert annotation["file"] == "manifests/peak.yaml"
    assert RULE in annotation["title"]
    assert f"[{RULE}]" in job.log
    assert RULE in job.summary
    sarif = Path(job.outputs["sarif-file"])
    results = json.loads(sarif.read_text())["runs"][0]["results"]
    assert [result["ruleId"] for result in results] == [RULE]
    assert job.uploads == [{"sarif_file": str(sarif), "category": "meshlint"}]
    assert counts[0] == "1"
    assert sorted(counts[1:]) == ["0", "1"]
    assert_unharmed(runner)


def test_good_manifests_pass_and_are_uploaded(runner: Runner) -> None:
    job = runner.run(paths="manifests/cart.yaml\nmanifests/orders.yaml\n")
    assert_judged(job, 0)
    assert job.outputs["findings"] == "0"
    assert job.commands == []
    assert job.summary
    assert len(job.uploads) == 1


def test_bad_configuration_is_told_apart(runner: Runner) -> None:
    (runner.workspace / ".meshlint.yaml").write_text("profil: recommended\n")
    job = runner.run()
    assert_judged(job, 2)
    assert "profil" in job.log
    assert [level for level, _ in job.commands] == ["error"]
    assert job.uploads == []
    assert job.outputs["sarif-file"] == job.outputs["findings"] == ""


def test_a_run_that_linted_nothing_fails_and_closes_no_alerts(runner: Runner) -> None:
    (runner.workspace / "notes").mkdir()
    job = runner.run(paths="notes")
    assert_judged(job, 3)
    assert [level for level, _ in job.commands] == ["error"]
    assert job.uploads == []


def test_paths_and_arguments_are_one_a_line(runner: Runner) -> None:
    manifests = runner.workspace / "manifests"
    manifests.rename(runner.workspace / "my manifests")
    (runner.workspace / "-q").mkdir()
    (runner.workspace / "-q/cart.yaml").write_text(AUTOSCALER.format(name="late", target="cart"))
    job = runner.run(paths="my manifests\r\n\n-q", args="--format\njson=all of it.json\n-v\n")
    assert_judged(job, 1)
    report = json.loads((runner.workspace / "all of it.json").read_text())
    assert len(report["findings"]) == 2
    assert job.outputs["findings"] == "2"


def test_options_reach_the_command(runner: Runner) -> None:
    (runner.workspace / "other.yaml").write_text(f"ignore: [{RULE}]\n")
    assert_judged(runner.run(config="other.yaml", profile="recommended"), 0)
    assert_judged(runner.run(fail_on="never"), 0)
    assert_judged(runner.run(profile="reccomended"), 2)
    assert_judged(runner.run(profile="security"), 0)


def test_working_directory_and_sarif_file(runner: Runner) -> None:
    job = runner.run(
        working_directory="manifests", paths="peak.yaml\norders.yaml", sarif_file="out/m.sarif"
    )
    assert_judged(job, 1)
    assert job.outputs["sarif-file"] == str(runner.workspace / "manifests/out/m.sarif")
    [result] = json.loads(Path(job.outputs["sarif-file"]).read_text())["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].endswith(
        "peak.yaml"
    )


def test_a_sarif_file_of_another_run_is_not_uploaded(runner: Runner) -> None:
    old = runner.workspace / "old.sarif"
    old.write_text("{}")
    job = runner.run(sarif_file="old.sarif", profile="none", upload="true")
    assert_judged(job, 2)
    assert job.uploads == []
    assert job.outputs["sarif-file"] == ""


def test_since_reports_what_is_new(runner: Runner) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=runner.workspace, check=True)

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "Add the shop")
    assert_judged(runner.run(since="HEAD"), 0)
    again = AUTOSCALER.format(name="again", target="cart")
    (runner.workspace / "manifests/late.yaml").write_text(again)
    job = runner.run(since="HEAD")
    assert_judged(job, 1)
    assert job.outputs["findings"] == "1"


def test_annotations_and_summary_can_be_left_out(runner: Runner) -> None:
    job = runner.run(annotations="false", summary="false", upload="false")
    assert_judged(job, 1)
    assert (job.commands, job.summary, job.uploads) == ([], "", [])
    assert f"[{RULE}]" in job.log


def test_categories_tell_uploads_apart(runner: Runner) -> None:
    job = runner.run(category="apps/cart")
    run = json.loads(Path(job.outputs["sarif-file"]).read_text())["runs"][0]
    assert run["automationDetails"]["id"].rpartition("/")[0] == "apps/cart"
    assert job.uploads[0]["category"] == "apps/cart"


# ------------------------------------------------------------------------------------- upload


def pull_request(repository: str) -> dict[str, Any]:
    return {"name": "pull_request", "pull_request": {"head": {"repo": {"full_name": repository}}}}


@pytest.mark.parametrize(
    ("event", "actor", "upload", "expected"),
    [
        pytest.param(pull_request("shop/manifests"), "octocat", "auto", 1, id="pull request"),
        pytest.param(pull_request("fork/manifests"), "octocat", "auto", 0, id="fork"),
        pytest.param(pull_request("fork/manifests"), "octocat", "true", 1, id="fork, on demand"),
        pytest.param({"name": "push"}, "dependabot[bot]", "auto", 0, id="Dependabot"),
        pytest.param({"name": "push"}, "octocat", "false", 0, id="switched off"),
    ],
)
def test_upload_where_the_token_may(
    runner: Runner, event: dict[str, Any], actor: str, upload: str, expected: int
) -> None:
    runner.event, runner.actor = event, actor
    job = runner.run(upload=upload)
    assert_judged(job, 1)
    assert len(job.uploads) == expected
    assert ("Not uploaded to code scanning" in job.log) == (upload == "auto" and not expected)


@pytest.mark.parametrize(("upload", "failed"), [("auto", False), ("true", True)])
def test_an_upload_that_fails(runner: Runner, upload: str, failed: bool) -> None:
    runner.upload_fails = True
    job = runner.run(paths="manifests/cart.yaml", upload=upload)
    assert job.failed == failed
    assert job.exit_codes["Judge"] == 0
    [(level, properties)] = job.commands
    assert level == "warning"
    assert "security-events: write" in properties["message"]


# ------------------------------------------------------------------------------ hostile input


@pytest.mark.parametrize("name", sorted(ACTION["inputs"].keys() - {"python"}))
def test_inputs_are_never_run(runner: Runner, name: str) -> None:
    job = runner.run(**{name.replace("-", "_"): HOSTILE})
    assert_unharmed(runner)
    assert job.exit_codes["Lint"] == 0, job.log


@pytest.mark.parametrize("name", ["annotations", "summary", "upload"])
def test_a_switch_that_is_no_switch_is_refused(runner: Runner, name: str) -> None:
    assert_judged(runner.run(**{name: "yes"}), 2)


def test_a_python_that_is_none_is_refused(runner: Runner) -> None:
    runner.python = None
    job = runner.run(python=HOSTILE)
    assert job.failed
    assert job.exit_codes == {"Install meshlint": 2}
    assert [level for level, _ in job.commands] == ["error"]
    assert_unharmed(runner)


def test_manifests_give_the_runner_no_commands(runner: Runner) -> None:
    name = '"\\n::error::pwned\\n::add-mask::a"'
    text = AUTOSCALER.format(name=name, target="orders") + "::warning::pwned\n"
    (runner.workspace / "manifests/peak.yaml").write_text(text)
    (runner.workspace / "manifests/again.yaml").write_text(text.replace("::warning::pwned\n", ""))
    job = runner.run(paths="manifests\n::error::pwned", args="-v")
    assert "pwned" in job.log
    assert {level for level, _ in job.commands} <= {"error", "warning", "notice"}
    assert all("title" in properties for _, properties in job.commands)
    said = [line for line in job.heard if line and not line.startswith("::")]
    assert all(line.startswith("meshlint") for line in said), said


# ------------------------------------------------------------------------------- installation


@pytest.mark.slow
def test_installation_needs_nothing_from_the_environment(runner: Runner) -> None:
    runner.python = None
    job = runner.run(python=sys.executable)
    assert_judged(job, 1)
    assert_unharmed(runner)
    [made] = (runner.temp / "meshlint").glob("venv-*")
    before = (made / "pyvenv.cfg").stat().st_mtime_ns
    assert_judged(runner.run(python=sys.executable, paths="manifests/cart.yaml"), 0)
    assert (made / "pyvenv.cfg").stat().st_mtime_ns == before, "installed a second time"


# ------------------------------------------------------------------------------------ checks


def checked(*command: str | Path) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def tool(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def test_action_matches_its_schema() -> None:
    checked(tool("check-jsonschema"), "--builtin-schema", "vendor.github-actions", "action.yml")


def test_workflows_match_their_schema() -> None:
    assert WORKFLOWS
    checked(tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *WORKFLOWS)


def test_gitlab_example_matches_its_schema() -> None:
    kind = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
    checked(tool("check-jsonschema"), *kind, "examples/gitlab-ci.yml")


def test_scripts_pass_shellcheck() -> None:
    assert SCRIPTS
    checked(tool("shellcheck"), *SCRIPTS)


def test_commands_of_workflows_pass_shellcheck(tmp_path: Path) -> None:
    commands = [
        step["run"]
        for path in WORKFLOWS
        for job in YAML(typ="safe").load(path)["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]
    assert commands
    script = tmp_path / "commands.sh"
    script.write_text("\n".join(["#!/usr/bin/env bash", *commands, ""]))
    checked(tool("shellcheck"), script)


def test_action_and_workflows_pass_zizmor() -> None:
    options = ("--offline", "--no-progress", "--strict-collection", "--persona", "pedantic")
    config = ("--config", "tests/zizmor.yml")
    checked(tool("zizmor"), *options, *config, "action.yml", *WORKFLOWS)


def test_every_script_of_the_action_runs_from_a_file() -> None:
    """So that shellcheck has seen it; and no expression stands in one."""
    runs = [step["run"] for step in ACTION["runs"]["steps"] if "run" in step]
    assert sorted(re.findall(r"action/\w+\.sh", " ".join(runs))) == [
        f"action/{script.name}" for script in SCRIPTS
    ]
    assert not any("${{" in run for run in runs)


def test_workflows_give_the_action_inputs_that_it_has() -> None:
    for path in WORKFLOWS:
        workflow = YAML(typ="safe").load(path)
        steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
        uses = [step for step in steps if step.get("uses", "").startswith("meshlint/meshlint@")]
        assert uses, f"{path.name} does not use the action"
        for step in uses:
            assert step.get("with", {}).keys() <= ACTION["inputs"].keys(), path.name


# -------------------------------------------------------------------------------------- pages

PAGES = ROOT / "docs/how-to"


@pytest.mark.parametrize(
    ("example", "page"),
    [
        *((path, "argo-flux" if path.stem == "gitops" else "github-actions") for path in WORKFLOWS),
        (ROOT / "examples/gitlab-ci.yml", "gitlab-ci"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_page_shows_the_example(example: Path, page: str) -> None:
    assert f"\n{example.read_text()}```\n" in (PAGES / f"{page}.md").read_text()


def test_page_lists_inputs_and_outputs() -> None:
    text = (PAGES / "github-actions.md").read_text()
    inputs = re.findall(r"^\| `([\w-]+)` \| (?:`(.+?)`)? ?\| ", text, re.MULTILINE)
    expected = {name: entry["default"] for name, entry in ACTION["inputs"].items()}
    assert dict(inputs) == expected
    outputs = text.partition("| output |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([\w-]+)`", outputs)) - {"fail-on"} == ACTION["outputs"].keys()
