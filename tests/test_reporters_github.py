"""Workflow commands, read as the runner of GitHub Actions reads them."""

from __future__ import annotations

from collections import Counter

import pytest
from github_log import annotations, read
from hostile_samples import LARGE, LARGE_RULES, SECRET, hostile_report, large_report
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import DEPLOYMENT, RULES, at, finding, shop_report

from meshlint.dataclass import replace
from meshlint.findings import Finding, Location, Report, Severity
from meshlint.reporters import ReportContext, whole
from meshlint.text import SourceFile, Span

CONTEXT = ReportContext("1.2.3", RULES)


def log_of(report: Report, context: ReportContext = CONTEXT) -> str:
    return whole("github", report, context)


def test_an_annotation_stands_on_the_line_of_its_finding() -> None:
    commands, rest = read(log_of(shop_report()))
    assert [command.name for command in commands] == ["error", "warning", "warning"]
    hpa = commands[2]
    assert hpa.properties == {
        "file": "shop/cart.yaml",
        "line": "27",
        "endLine": "27",
        "col": "16",
        "endColumn": "17",
        "title": "Autoscaler may scale to a single replica [hpa-min-replicas-low]",
    }
    assert hpa.message.split("\n") == [
        "HorizontalPodAutoscaler shop/cart may scale Deployment shop/cart down to 1 replica",
        "shop/cart.yaml:4:9: the workload it scales",
        "mesh/istio.yaml:9:7: istiod itself has the same minimum",
        "help: Set `minReplicas` to 2 or more.",
        "more: https://meshlint.example/rules/hpa-min-replicas-low",
    ]
    assert annotations(commands) == commands
    (closing,) = rest
    assert closing == (
        "meshlint: 3 findings (1 error, 2 warnings), checked 6 resources in 7 files (9 documents)"
        " with 5 rules, skipped 3"
    )


def test_a_clean_run_says_so() -> None:
    commands, rest = read(log_of(Report(files=2, documents=2, resources=1, rules=5)))
    assert commands == []
    assert rest == [
        "meshlint: no findings, checked 1 resource in 2 files (2 documents) with 5 rules"
    ]


@pytest.mark.parametrize(
    "text", ["a%0Ab", "50%", "%25", "a, b=c: d", "x::y", "::error::z", "a\u00e4\U0001f600", "a=b"]
)
def test_text_arrives_as_it_was(text: str) -> None:
    file = SourceFile(f"dir/{text}.yaml", "a: 1\n")
    rules = (replace(RULES[0], title=text),)
    log = log_of(
        Report((finding(Location(file, Span(0, 1)), message=text),)), replace(CONTEXT, rules=rules)
    )
    (command,), _ = read(log)
    assert command.properties["file"] == f"dir/{text}.yaml"
    assert command.properties["title"] == f"{text} [cpu-limit-missing]"
    assert command.message.split("\n")[0] == text


def test_a_manifest_cannot_give_commands() -> None:
    report = hostile_report()
    commands, rest = read(log_of(report))
    levels = Counter(command.name for command in commands)
    assert levels == {"error": 1, "warning": 5, "notice": 1}
    assert len(rest) == 1
    for command in commands:
        assert set(command.properties) == {"file", "line", "endLine", "col", "endColumn", "title"}
        assert len(command.message) <= 4_096
        assert len(command.properties["title"]) <= 255
    log = log_of(report)
    assert log.encode("utf-8")
    assert not {"\x1b", "\x00", "\u202e", "\u2028", "\x85"} & set(log)
    assert SECRET not in log


PARTS = st.lists(
    st.sampled_from(["::", "error", "%0A", "%", ",", "\n", "\r", " ", "##[", "a", "="])
)
TEXTS = st.one_of(st.text(max_size=40), PARTS.map("".join))


@settings(deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_no_text_whatever_gives_a_command(message: str, path: str, title: str) -> None:
    place = Location(SourceFile(path or "a", "a: 1\n"), Span(0, 1), message=message)
    report = Report((finding(place, place, message=message),), notices=(message,))
    rules = (replace(RULES[0], title=title, remediation=message),)
    commands, rest = read(log_of(report, replace(CONTEXT, rules=rules)))
    assert [command.name for command in commands] == ["warning"]
    assert set(commands[0].properties) == {"file", "line", "endLine", "col", "endColumn", "title"}
    assert len(rest) == 1


def test_files_are_named_from_the_root_of_the_repository() -> None:
    context = replace(CONTEXT, working_directory="/repo/deploy", repository="/repo")
    (first, *_), _ = read(log_of(shop_report(), context))
    assert first.properties["file"] == "deploy/mesh/istio.yaml"


def _some(severity: Severity, count: int, rule: str = "cpu-limit-missing") -> list[Finding]:
    return [
        finding(at(DEPLOYMENT, "kind"), severity=severity, rule=rule, message=f"{rule} {number}")
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("errors", "warnings", "infos", "shown", "left"),
    [
        (10, 10, 10, (10, 10, 10), ""),
        (11, 0, 0, (10, 0, 1), "1 more finding not shown here: 1 error."),
        (0, 0, 11, (0, 0, 10), "2 more findings not shown here: 2 info."),
        (12, 10, 10, (10, 10, 10), "3 more findings not shown here: 2 errors, 1 info."),
    ],
)
def test_what_github_would_drop_is_left_out_and_said(
    errors: int, warnings: int, infos: int, shown: tuple[int, int, int], left: str
) -> None:
    found = (*_some("info", infos), *_some("warning", warnings), *_some("error", errors))
    commands, _ = read(log_of(Report(found)))
    assert annotations(commands) == commands
    levels = Counter(command.name for command in commands)
    assert (levels["error"], levels["warning"], levels["notice"]) == shown
    said = [command for command in commands if "not shown here" in command.message]
    assert [command.message[: len(left)] for command in said] == ([left] if left else [])
    assert not said or said == commands[-1:]


def test_every_rule_is_shown_before_any_is_shown_twice() -> None:
    found = (*_some("warning", 30), *_some("warning", 1, "rare"), *_some("error", 1, "severe"))
    commands, _ = read(log_of(Report(found)))
    messages = [command.message.split("\n")[0] for command in commands]
    assert messages[:4] == [
        "severe 0",
        "cpu-limit-missing 0",
        "rare 0",
        "cpu-limit-missing 1",
    ]


def test_what_could_not_be_linted_comes_before_its_equals() -> None:
    found = (*_some("error", 20, "severe"), *_some("error", 1, "broken"))
    broken = replace(found[-1], about_run=True)
    commands, _ = read(log_of(Report((*found[:-1], broken))))
    assert [command.message.split("\n")[0] for command in commands[:2]] == ["broken 0", "severe 0"]


def test_a_large_report_stays_within_the_limits_of_a_step() -> None:
    log = log_of(large_report(), replace(CONTEXT, rules=LARGE_RULES))
    commands, _ = read(log)
    assert annotations(commands) == commands
    assert len(commands) == 30
    assert commands[-1].message.startswith(f"{LARGE - 29:,} more findings not shown here: ")
    rules = {command.properties["title"] for command in commands if command.name == "error"}
    assert len(rules) == 10
