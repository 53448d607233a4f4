"""SARIF: what GitHub and other readers demand of it, judged by the real validators."""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hostile_samples import LARGE, LARGE_RULES, SECRET, large_report
from hostile_samples import hostile_report as hostile_names
from report_samples import CART, DEPLOYMENT, RULES, at, finding, shop_report
from sarif_validator import complaints, schema_errors

from meshlint.dataclass import replace
from meshlint.findings import (
    FileEdit,
    Finding,
    Fix,
    Location,
    Report,
    RuleInfo,
    Severity,
    Skipped,
    Suppressed,
)
from meshlint.reporters import ReportContext, whole
from meshlint.reporters.fingerprints import line_hashes
from meshlint.reporters.sarif import MAX_GZIPPED, MAX_RESULTS, MAX_SHOWN
from meshlint.text import SourceFile, Span

CONTEXT = ReportContext("1.2.3", RULES)


def run_of(report: Report, context: ReportContext = CONTEXT) -> dict[str, Any]:
    (run,) = json.loads(whole("sarif", report, context))["runs"]
    return dict(run)


def result_of(found: Finding, context: ReportContext = CONTEXT) -> dict[str, Any]:
    (result,) = run_of(Report((found,)), context)["results"]
    return dict(result)


def hostile_report() -> Report:
    """Everything that has broken SARIF files before, in one report."""
    broken = SourceFile("odd name [1]/#50%/\u00e4?.yaml", "a: [\n")
    empty = SourceFile("empty.yaml", "")
    end = Location(broken, Span(5, 5), message="")
    return Report(
        findings=(
            finding(end, rule="yaml-syntax-invalid", severity="error", message="ends in [a list"),
            finding(
                Location(empty, Span(0, 0)), rule="unheard-of", severity="info", message="x[0]"
            ),
            finding(
                at(DEPLOYMENT, "spec:\n  replicas: 3", resource=CART),
                *[at(DEPLOYMENT, "metadata", "a [link](9) \\ here"), end],
                *[at(DEPLOYMENT, "kind", f"place {number}") for number in range(30)],
                message="brackets: containers[0], [text](1) and \\ \u0001\u202e\ud800",
            ),
        ),
        skipped=(Skipped("a", "Helm [template](x)"), Skipped("b", "Helm [template](x)")),
        files=3,
        documents=3,
        resources=1,
        rules=len(RULES),
    )


REPORTS = {
    "shop": shop_report(),
    "hostile": hostile_report(),
    "names": hostile_names(),
    "empty": Report(),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REPORTS)
def test_the_multitool_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    file = tmp_path / "report.sarif"
    file.write_text(whole("sarif", REPORTS[name], CONTEXT), "utf-8")
    assert complaints(file) == []


@pytest.mark.parametrize("name", REPORTS)
def test_fits_the_json_schema(name: str, tmp_path: Path) -> None:
    file = tmp_path / "report.sarif"
    file.write_text(whole("sarif", REPORTS[name], CONTEXT), "utf-8")
    assert schema_errors(file) == []


@pytest.mark.slow
def test_the_validators_do_find_what_is_wrong(tmp_path: Path) -> None:
    log = json.loads(whole("sarif", shop_report(), CONTEXT))
    results = log["runs"][0]["results"]
    results[0]["locations"] = []
    results[1]["ruleIndex"] = 99
    file = tmp_path / "report.sarif"
    file.write_text(json.dumps(log), "utf-8")
    assert {text.split(":")[0] for text in complaints(file)} >= {"GH1001", "SARIF1009"}
    results[2]["level"] = "high"
    file.write_text(json.dumps(log), "utf-8")
    assert complaints(file) == ["the file could not be read"]
    assert any("high" in text for text in schema_errors(file))


# ---------------------------------------------------------------------------------------- rules


def test_all_enabled_rules_are_described_even_without_findings() -> None:
    run = run_of(Report())
    driver = run["tool"]["driver"]
    assert [rule["id"] for rule in driver["rules"]] == sorted(rule.id for rule in RULES)
    for rule in driver["rules"]:
        for member in ("shortDescription", "fullDescription", "help"):
            assert rule[member]["text"]
        assert rule["help"]["markdown"]
        assert {"tags", "precision", "problem.severity"} <= set(rule["properties"])
    assert run["results"] == []
    assert driver["version"] == driver["semanticVersion"] == "1.2.3"


def test_description_of_a_rule() -> None:
    rules = {rule["id"]: rule for rule in run_of(Report())["tool"]["driver"]["rules"]}
    assert rules["cpu-limit-missing"] == {
        "id": "cpu-limit-missing",
        "name": "CpuLimitMissing",
        "shortDescription": {"text": "Container without a CPU limit"},
        "fullDescription": {
            "text": "A container without a limit can take the CPU time of its neighbors. "
            "The scheduler knows nothing of it."
        },
        "help": {
            "text": "Set `resources.limits.cpu` to what the container may use at most.\n"
            "https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/\n"
            "More: meshlint explain cpu-limit-missing",
            "markdown": "A container without a limit can take the CPU time of its neighbors. "
            "The scheduler knows nothing of it.\n\n"
            "**What to do:** Set `resources.limits.cpu` to what the container may use at most.\n\n"
            "- https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/\n\n"
            "Includes `kube-score:container-resources`, `checkov:CKV_K8S_11`.\n\n"
            "More: `meshlint explain cpu-limit-missing`",
        },
        "defaultConfiguration": {"level": "warning"},
        "properties": {
            "tags": ["resources", "resource-limits"],
            "precision": "very-high",
            "problem.severity": "warning",
        },
    }
    assert rules["hpa-min-replicas-low"]["helpUri"].startswith("https://")
    assert (
        rules["hpa-min-replicas-low"]["helpUri"]
        in rules["hpa-min-replicas-low"]["help"]["markdown"]
    )


def test_only_security_rules_have_a_security_score() -> None:
    properties = {
        rule["id"]: rule["properties"] for rule in run_of(Report())["tool"]["driver"]["rules"]
    }
    scored = {name for name, found in properties.items() if "security-severity" in found}
    tagged = {name for name, found in properties.items() if "security" in found["tags"]}
    assert scored == tagged == {"mesh-mtls-not-strict"}
    score = properties["mesh-mtls-not-strict"]["security-severity"]
    assert isinstance(score, str)
    assert 0 < float(score) <= 10


def test_long_descriptions_are_cut_to_what_github_takes() -> None:
    rule = RuleInfo("r", "t " * 900, "info", "resources", rationale="w " * 900)
    (found,) = run_of(Report(), ReportContext("1", (rule,)))["tool"]["driver"]["rules"]
    for member in ("shortDescription", "fullDescription"):
        assert len(found[member]["text"]) <= 1024
        assert found[member]["text"].endswith(" …")


# -------------------------------------------------------------------------------------- results


def test_results_come_most_severe_first_and_then_by_place() -> None:
    other = SourceFile("a.yaml", "x: 1\ny: 2\n")
    severities: tuple[Severity, ...] = ("info", "warning", "error", "warning")
    found = [
        finding(Location(other, Span(start, start + 1)), severity=severity, message=f"at {start}")
        for start, severity in zip((0, 5, 8, 3), severities, strict=True)
    ]
    found.append(finding(at(DEPLOYMENT, "kind"), message="other file"))
    texts = [result["message"]["text"] for result in run_of(Report(tuple(found)))["results"]]
    assert texts == ["at 8", "at 3", "at 5", "other file", "at 0"]


def test_every_result_names_its_rule_and_has_a_one_line_region() -> None:
    run = run_of(hostile_report())
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        (location,) = result["locations"]
        for place in (location, *result.get("relatedLocations", [])):
            region = place["physicalLocation"]["region"]
            assert region["startLine"] == region["endLine"]
            assert 1 <= region["startColumn"] < region["endColumn"]


def test_region_of_a_block_is_its_first_line() -> None:
    result = result_of(finding(at(DEPLOYMENT, "spec:\n  replicas: 3")))
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 6, "startColumn": 1, "endLine": 6, "endColumn": 6}


def test_columns_count_code_points() -> None:
    file = SourceFile("a.yaml", "\U0001f600: \u65e5\u672c x\n")
    region = result_of(finding(at(file, "x")))["locations"][0]["physicalLocation"]["region"]
    assert (region["startColumn"], region["endColumn"]) == (7, 8)
    assert run_of(Report())["columnKind"] == "unicodeCodePoints"


def test_related_places_are_linked_from_the_message() -> None:
    result = run_of(shop_report())["results"][2]
    assert result["message"]["text"] == (
        "HorizontalPodAutoscaler shop/cart may scale Deployment shop/cart down to 1 replica. "
        "Related: [the workload it scales](1), [istiod itself has the same minimum](2)."
    )
    assert [place["id"] for place in result["relatedLocations"]] == [1, 2]
    assert result["relatedLocations"][0]["message"] == {"text": "the workload it scales"}
    files = [
        place["physicalLocation"]["artifactLocation"]["uri"] for place in result["relatedLocations"]
    ]
    assert files == ["shop/cart.yaml", "mesh/istio.yaml"]


LINK = re.compile(r"(?<!\\)(?:\\\\)*\[(?:[^\\\[\]]|\\.)*\]\((\d+)\)")


def test_brackets_of_a_message_are_no_links() -> None:
    result = run_of(hostile_report())["results"][1]
    text = result["message"]["text"]
    linked = [int(match) for match in LINK.findall(text)]
    assert linked == [place["id"] for place in result["relatedLocations"]] == list(range(1, 21))
    assert text.startswith(r"brackets: containers\[0\], \[text\](1) and \\ ")
    assert text.endswith("and 12 more places.")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("containers[0] has no limit", "containers[0] has no limit"),
        ("see [this](2)", r"see \[this](2)"),
        (r"C:\x [a]", r"C:\x [a]"),
    ],
)
def test_message_without_related_places_is_only_escaped_where_it_looks_like_a_link(
    message: str, expected: str
) -> None:
    assert result_of(finding(at(DEPLOYMENT, "kind"), message=message))["message"] == {
        "text": expected
    }


def test_message_that_ends_a_sentence_gets_no_second_full_stop() -> None:
    related = at(DEPLOYMENT, "kind", resource=CART)
    result = result_of(finding(at(DEPLOYMENT, "spec"), related, message="Too few."))
    assert result["message"]["text"] == "Too few. Related: [Deployment shop/cart](1)."


def test_fingerprints_are_those_of_github_and_our_own() -> None:
    found = finding(at(DEPLOYMENT, "server"), fingerprint="5f0c")
    assert result_of(found)["partialFingerprints"] == {
        "primaryLocationLineHash": line_hashes(DEPLOYMENT.text, {17})[17],
        "meshlint/v1": "5f0c",
    }


def test_lines_of_a_secret_are_not_hashed() -> None:
    location = replace(at(DEPLOYMENT, "server"), hide_text=True)
    found = result_of(finding(location, fingerprint="5f0c"))
    assert found["partialFingerprints"] == {"meshlint/v1": "5f0c"}
    assert SECRET not in whole("sarif", hostile_names(), CONTEXT)


def notes_of(run: dict[str, Any]) -> list[str]:
    """What the run says about what was cut, as warnings."""
    (invocation,) = run["invocations"]
    notifications = invocation["toolExecutionNotifications"]
    return [entry["message"]["text"] for entry in notifications if entry["level"] == "warning"]


def test_more_than_github_takes_is_left_out_and_said() -> None:
    file = SourceFile("a.yaml", "a: 1\n")
    severe = finding(Location(file, Span(3, 4)), severity="error", message="severe")
    mild = finding(Location(file, Span(0, 1)), message="mild")
    run = run_of(Report((*[mild] * MAX_RESULTS, severe)))
    assert len(run["results"]) == MAX_RESULTS
    assert run["results"][0]["message"]["text"] == "severe"
    left, shown = notes_of(run)
    assert left.startswith("1 of 25,001 findings are left out")
    assert shown == "GitHub shows 5,000 of 25,000 findings, the most severe ones"


def test_of_more_than_github_shows_the_first_tell_the_most() -> None:
    context = replace(CONTEXT, rules=LARGE_RULES)
    run = run_of(large_report(), context)
    assert len(run["results"]) == LARGE
    assert notes_of(run) == ["GitHub shows 5,000 of 10,000 findings, the most severe ones"]
    levels = [result["level"] for result in run["results"]]
    assert levels == sorted(levels, key=("error", "warning", "note").index)
    shown = {result["ruleId"] for result in run["results"][:MAX_SHOWN]}
    assert shown == {rule.id for rule in LARGE_RULES if rule.severity != "info"}


def test_a_large_report_is_far_below_the_size_that_github_takes() -> None:
    text = whole("sarif", large_report(), replace(CONTEXT, rules=LARGE_RULES))
    assert len(gzip.compress(text.encode())) < MAX_GZIPPED / 10


def test_a_file_that_would_be_too_large_is_cut_and_says_so() -> None:
    noise = random.Random(1)
    edit = FileEdit(DEPLOYMENT, Span(0, 1), "x")
    fix = Fix("safe", "Mend it.", (), (edit,))
    found = [
        replace(
            finding(
                at(DEPLOYMENT, "kind"),
                severity="error" if number == 3_999 else "warning",
                message=base64.b64encode(noise.randbytes(3_000)).decode(),
            ),
            fix=fix,
        )
        for number in range(4_000)
    ]
    text = whole("sarif", Report(tuple(found)), CONTEXT)
    assert len(gzip.compress(text.encode())) <= MAX_GZIPPED
    (run,) = json.loads(text)["runs"]
    assert 2_500 < len(run["results"]) < 4_000
    assert run["results"][0]["message"]["text"] == found[-1].message
    assert not any("fixes" in result for result in run["results"])
    left, fixes = notes_of(run)
    assert left.startswith(f"{4_000 - len(run['results']):,} of 4,000 findings are left out")
    assert fixes == "the fixes are left out, as GitHub refuses a larger file"


# ------------------------------------------------------------------------------------ locations


@pytest.mark.parametrize(
    ("path", "working_directory", "repository", "uri"),
    [
        ("a/b.yaml", "", "", "a/b.yaml"),
        ("./a//b.yaml", "", "", "a/b.yaml"),
        ("a/b.yaml", "/repo", "/repo", "a/b.yaml"),
        ("a/b.yaml", "/repo/deploy", "/repo", "deploy/a/b.yaml"),
        ("../a/b.yaml", "/repo/deploy", "/repo/", "a/b.yaml"),
        ("/repo/x/b.yaml", "/repo/deploy", "/repo", "x/b.yaml"),
        ("a/b.yaml", "/work", "", "a/b.yaml"),
        ("/other/b c.yaml", "/repo", "/repo", "../other/b%20c.yaml"),
        ("../repository/b.yaml", "/repo", "/repo", "../repository/b.yaml"),
        ("b.yaml", "/", "/", "b.yaml"),
        ("<stdin>", "/repo", "/repo", "%3Cstdin%3E"),
        ("with space/50%#1?/[ä].yaml", "", "", "with%20space/50%25%231%3F/%5B%C3%A4%5D.yaml"),
        ("c:d.yaml", "", "", "c%3Ad.yaml"),
        ("bytes-\udcff.yaml", "", "", "bytes-%FF.yaml"),
        ("lone-\ud800.yaml", "", "", "lone-%ED%A0%80.yaml"),
    ],
)
def test_uris_are_encoded_and_relative_to_the_repository(
    path: str, working_directory: str, repository: str, uri: str
) -> None:
    context = replace(CONTEXT, working_directory=working_directory, repository=repository)
    location = Location(SourceFile(path, "a: 1\n"), Span(0, 1))
    (place,) = result_of(finding(location), context)["locations"]
    assert place["physicalLocation"]["artifactLocation"] == {"uri": uri}


def test_object_is_the_logical_location() -> None:
    (place,) = result_of(finding(at(DEPLOYMENT, "kind", resource=CART)))["locations"]
    assert place["logicalLocations"] == [
        {"name": "cart", "fullyQualifiedName": "Deployment shop/cart", "kind": "resource"}
    ]
    (place,) = result_of(finding(at(DEPLOYMENT, "kind")))["locations"]
    assert "logicalLocations" not in place


# ------------------------------------------------------------------------------------------ run


def test_what_could_not_be_linted_is_a_result_and_a_notification() -> None:
    run = run_of(hostile_report())
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is True
    parse, skipped = invocation["toolExecutionNotifications"]
    rules = run["tool"]["driver"]["rules"]
    assert parse["level"] == "error"
    assert parse["message"] == {"text": "ends in [a list"}
    assert rules[parse["associatedRule"]["index"]]["id"] == "yaml-syntax-invalid"
    assert parse["locations"] == run["results"][0]["locations"]
    assert skipped == {"level": "note", "message": {"text": r"Skipped 2: Helm \[template](x)"}}


@pytest.mark.parametrize(
    ("category", "shown"), [("meshlint", "meshlint/"), ("mesh/east/", "mesh/east/")]
)
def test_category(category: str, shown: str) -> None:
    run = run_of(Report(), replace(CONTEXT, category=category))
    assert run["automationDetails"] == {"id": shown}
    assert run_of(Report())["automationDetails"] == {"id": "meshlint/"}


def test_suppressed_findings_are_no_results_because_github_would_open_alerts() -> None:
    hidden = finding(at(DEPLOYMENT, "kind"), message="accepted")
    text = whole("sarif", Report(suppressed=(Suppressed(hidden, "comment"),)), CONTEXT)
    assert json.loads(text)["runs"][0]["results"] == []
    assert "accepted" not in text


def test_output_can_be_encoded_and_is_always_the_same() -> None:
    output = whole("sarif", hostile_report(), CONTEXT)
    assert output.encode("utf-8")
    assert output.isascii() or "\u202e" not in output
    report = hostile_report()
    shuffled = replace(report, findings=report.findings[::-1])
    assert whole("sarif", shuffled, replace(CONTEXT, rules=RULES[::-1])) == output
