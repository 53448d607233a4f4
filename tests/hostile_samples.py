"""Reports that have broken the formats of code hosts before, and one too large for them."""

from __future__ import annotations

from report_samples import CART, DEPLOYMENT, RULES, at, finding, shop_report

from meshlint.dataclass import replace
from meshlint.findings import (
    Finding,
    Location,
    Readiness,
    Report,
    ResourceRef,
    RuleInfo,
    Severity,
    Skipped,
    Suppressed,
)
from meshlint.text import SourceFile, Span

NASTY = (
    "100% of a,b: c::d\r\n::error::injected ##[error]x <b>&amp;</b> \"'` |[l](u) *_~$#@"
    "]]> --> \x00\x1b[31m\x85\u2028\u202e\ufffe\uffff\ud800\U0001f600\u00e4"
)
"""What some format or other gives a meaning to, or cannot hold."""

SECRET = "hunter2hunter2"
"""A value that stands in the text around a finding that hides it."""


def hostile_report() -> Report:
    """Names, messages and places that mean something to the format they are put in."""
    odd = SourceFile("odd, name: 50%/[1] #\u00e4|`x` <b>&\"'\ufffe.yaml", "a: [\n")
    broken_name = SourceFile("line\nbreak-\udcff::error::x.yaml", "kind: List\n")
    secret = SourceFile("secret.yaml", f"kind: Secret\nstringData:\n  password: {SECRET}\n")
    resource = ResourceRef("v1", "Kind|`", "n\n::s", NASTY)
    end = Location(odd, Span(5, 5), resource=resource, message=NASTY)
    parse_error = replace(
        finding(end, rule="yaml-syntax-invalid", severity="error", message="a list [ does not end"),
        about_run=True,
    )
    return Report(
        findings=(
            parse_error,
            finding(Location(broken_name, Span(0, 4)), message=NASTY, severity="info"),
            finding(Location(SourceFile("empty.yaml", ""), Span(0, 0)), rule="unheard-of"),
            finding(
                Location(
                    secret,
                    Span(secret.text.index(SECRET), len(secret.text)),
                    message="here",
                    hide_text=True,
                ),
                Location(secret, Span(0, len(secret.text)), message="and here", hide_text=True),
                message="key password is there twice",
            ),
            finding(
                at(DEPLOYMENT, "spec:\n  replicas: 3", resource=CART),
                *[at(DEPLOYMENT, "kind", NASTY) for _ in range(30)],
                end,
                rule="hpa-min-replicas-low",
                message=f"`code` {NASTY} `code`",
            ),
            finding(at(DEPLOYMENT, "metadata"), message="word " * 2_000),
            finding(at(DEPLOYMENT, "metadata"), message="\u0301" * 10_000),
        ),
        suppressed=(Suppressed(finding(end, message=NASTY), "comment", NASTY, NASTY),),
        readiness=tuple(
            Readiness(resource, "workload", {"autoscaling": "failed"}, NASTY) for _ in range(2)
        ),
        skipped=(Skipped(NASTY, NASTY),),
        notices=(NASTY,),
        files=4,
        documents=4,
        resources=4,
        rules=len(RULES),
    )


LARGE = 10_000
"""Findings of the large report."""

LARGE_RULES = tuple(
    RuleInfo(
        f"defect-{number:02}",
        f"Defect number {number}",
        ("error", "warning", "warning", "info")[number % 4],  # type: ignore[arg-type]
        "resources",
        remediation="Set `resources.limits.cpu` to what the container may use at most. Or not.",
        about_run=number == 0,
    )
    for number in range(40)
)


def large_report() -> Report:
    """Findings in 500 files, of 40 rules of which some are rare, in no order of severity."""
    per_file = LARGE // 500
    findings: list[Finding] = []
    for number in range(500):
        lines = "".join(f"  key-{line}: {number * line}\n" for line in range(per_file))
        file = SourceFile(f"deploy/team-{number % 25}/service-{number}.yaml", f"data:\n{lines}")
        for line in range(per_file):
            count = len(findings)
            # Half of the findings are of one rule, and the last ones of those that occur once.
            rule = LARGE_RULES[40 - (LARGE - count)] if count >= LARGE - 40 else LARGE_RULES[2]
            if rule is LARGE_RULES[2] and count % 2:
                rule = LARGE_RULES[1 + count // 2 % 3]
            severity: Severity = rule.severity
            start = file.text.index(f"key-{line}:")
            where = Location(file, Span(start, start + 5), f"/data/key-{line}", 0, CART)
            findings.append(
                finding(
                    where,
                    rule=rule.id,
                    severity=severity,
                    message=f"container server of Deployment team-{number}/service-{number} has"
                    f" {line} replicas and the traffic of {count} requests, which is too much",
                    fingerprint=f"{count:032x}",
                )
            )
    return replace(
        shop_report(),
        findings=tuple(findings),
        readiness=tuple(
            Readiness(
                ResourceRef("apps/v1", "Deployment", f"team-{number}", f"service-{number}"),
                "workload",
                {rule.id: "failed" for rule in LARGE_RULES[:12]},
            )
            for number in range(500)
        ),
        files=500,
        resources=500,
    )
