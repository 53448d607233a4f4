"""JSON output: its shape, its positions, and that every reader can take it."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from report_samples import CART, DEPLOYMENT, RULES, at, finding, shop_report

from meshlint.findings import Finding, Location, Report, ResourceRef
from meshlint.reporters import ReportContext, whole
from meshlint.text import SourceFile, Span

CONTEXT = ReportContext("1.2.3", RULES)


def rendered(report: Report, context: ReportContext = CONTEXT) -> dict[str, Any]:
    output: dict[str, Any] = json.loads(whole("json", report, context))
    return output


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(
        (files("meshlint.reporters") / "json-output.schema.json").read_text("utf-8")
    )
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("report", [shop_report(), Report()], ids=["shop", "empty"])
def test_output_fits_the_published_schema(validator: Draft202012Validator, report: Report) -> None:
    assert list(validator.iter_errors(rendered(report))) == []


def test_schema_refuses_what_is_not_declared(validator: Draft202012Validator) -> None:
    output = rendered(shop_report())
    output["findings"][0]["extra"] = 1
    output["findings"][2]["related"][0]["extra"] = 1
    del output["findings"][1]["line"]
    places = {tuple(error.absolute_path) for error in validator.iter_errors(output)}
    assert places == {("findings", 0), ("findings", 1), ("findings", 2, "related", 0)}


def test_finding_has_every_member_in_a_fixed_order() -> None:
    found = rendered(shop_report())["findings"][2]
    assert found == {
        "rule": "hpa-min-replicas-low",
        "severity": "warning",
        "message": "HorizontalPodAutoscaler shop/cart may scale Deployment shop/cart down to "
        "1 replica",
        "file": "shop/cart.yaml",
        "line": 27,
        "column": 16,
        "end_line": 27,
        "end_column": 17,
        "document": 1,
        "pointer": "/spec/minReplicas",
        "resource": {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "namespace": "shop",
            "name": "cart",
        },
        "related": [
            {
                "file": "shop/cart.yaml",
                "line": 4,
                "column": 9,
                "end_line": 4,
                "end_column": 13,
                "document": 0,
                "pointer": "/metadata/name",
                "resource": {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "namespace": "shop",
                    "name": "cart",
                },
                "message": "the workload it scales",
            },
            {
                "file": "mesh/istio.yaml",
                "line": 9,
                "column": 7,
                "end_line": 9,
                "end_column": 22,
                "document": 0,
                "pointer": "",
                "resource": None,
                "message": "istiod itself has the same minimum",
            },
        ],
        "fingerprint": "c2a4d6e8",
        "help": "https://meshlint.example/rules/hpa-min-replicas-low",
        "fix": None,
    }
    assert list(found) == [
        *("rule", "severity", "message", "file", "line", "column", "end_line", "end_column"),
        *("document", "pointer", "resource", "related", "fingerprint", "help", "fix"),
    ]


def test_summary_tells_what_was_linted_and_what_was_not() -> None:
    output = rendered(shop_report())
    assert output["version"] == "1.2.3"
    summary = output["summary"]
    assert summary["findings"] == {"error": 1, "warning": 2, "info": 0}
    assert [summary[key] for key in ("files", "documents", "resources", "rules")] == [7, 9, 6, 5]
    assert summary["skipped"][1:] == [
        {"file": "chart/templates/web.yaml", "document": None, "reason": "Helm template"},
        {"file": "shop/kustomization.yaml", "document": 0, "reason": "kustomize file"},
    ]
    assert summary["assumptions"][1] == {
        "concern": "alerts",
        "complete": False,
        "reason": "no alert that names a mesh metric is in the input",
    }
    assert summary["readiness"][2] == {
        "resource": {
            "apiVersion": "install.istio.io/v1alpha1",
            "kind": "IstioOperator",
            "namespace": "istio-system",
            "name": "mesh",
        },
        "role": "control-plane",
        "file": "",
        "items": {
            "control-plane": "failed",
            "mesh-security": "failed",
            "monitoring": "not-checked",
        },
    }


def test_rule_without_a_page_names_the_command_that_explains_it() -> None:
    report = Report((finding(at(DEPLOYMENT, "server")), finding(at(DEPLOYMENT, "spec"), rule="x")))
    helps = [found["help"] for found in rendered(report)["findings"]]
    assert helps == ["meshlint explain cpu-limit-missing", "meshlint explain x"]


def test_span_of_several_lines_keeps_its_end() -> None:
    found = rendered(Report((finding(at(DEPLOYMENT, "labels: {app: cart}\n      anno")),)))
    place = found["findings"][0]
    assert (place["line"], place["end_line"], place["end_column"]) == (12, 13, 11)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (1, 1, 1, 2)),
        ("a: [", (1, 5, 1, 6)),
        ("a: [\n", (1, 5, 1, 6)),
        ("a: [\r\n", (1, 5, 1, 6)),
    ],
)
def test_end_of_file_is_a_place_on_the_last_line(
    text: str, expected: tuple[int, int, int, int]
) -> None:
    location = Location(SourceFile("a.yaml", text), Span(len(text), len(text)))
    place = rendered(Report((finding(location),)))["findings"][0]
    assert tuple(place[key] for key in ("line", "column", "end_line", "end_column")) == expected


def test_text_stays_readable_but_can_be_encoded_and_printed() -> None:
    file = SourceFile("d\u00e4\udcff\x9b.yaml", "a: b\n")
    hostile = "\u503c \ud800 \u202e \x7f \x1b"
    report = Report((Finding("r", "info", hostile, Location(file, Span(0, 1), resource=CART)),))
    output = whole("json", report, CONTEXT)
    assert "\u503c" in output
    assert "d\u00e4\\udcff\\u009b.yaml" in output
    assert output.encode("utf-8")
    assert not set(output) & set("\x7f\x1b\x9b\u202e")
    assert json.loads(output)["findings"][0]["message"] == hostile


def test_verbosity_width_and_color_change_nothing() -> None:
    plain = whole("json", shop_report(), CONTEXT)
    assert plain == whole("json", shop_report(), ReportContext("1.2.3", RULES, True, 40, -1))
    assert plain == whole("json", shop_report(), ReportContext("1.2.3", RULES, False, 200, 1))
    assert plain.endswith("}\n")


def test_each_finding_has_a_line_of_its_own() -> None:
    lines = whole("json", shop_report(), CONTEXT).splitlines()
    assert sum('"rule": ' in line for line in lines) == 3


def test_resource_without_namespace_and_name() -> None:
    location = Location(DEPLOYMENT, Span(0, 1), resource=ResourceRef("v1", "Service", "", ""))
    found = rendered(Report((finding(location),)))["findings"][0]
    assert found["resource"] == {"apiVersion": "v1", "kind": "Service", "namespace": "", "name": ""}
