"""Text for people: exact diagnostics, and what must hold for any of them."""

# ruff: noqa: RUF001 - the quotation marks are those of the output

from __future__ import annotations

import re
import subprocess
import sys
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import CART, DEPLOYMENT, RULES, at, finding, shop_report

from meshlint.dataclass import replace
from meshlint.findings import Finding, Location, Report, RuleInfo
from meshlint.reporters import ReportContext, whole
from meshlint.reporters.terminal import TO_ASCII, width_of, wrap
from meshlint.text import SourceFile, Span

COLORS = re.compile(r"\x1b\[[0-9;]*m")


def diagnostics(*findings: Finding, width: int = 80, color: bool = False) -> str:
    """What is printed about findings, without the summary and without explanations."""
    report = Report(findings, files=1, documents=1, resources=1)
    output = whole("text", report, ReportContext("1.2.3", (), color, width))
    return output[: output.rindex("\n\n") + 1]


def frame(*findings: Finding, width: int = 80) -> str:
    """Diagnostics without the line with the message."""
    return "".join(
        line
        for line in diagnostics(*findings, width=width).splitlines(keepends=True)
        if not line.startswith("warning[")
    )


def shown(text: str) -> str:
    return dedent(text).removeprefix("\n")


# ------------------------------------------------------------------------------- a whole run


def test_run_in_80_columns() -> None:
    assert whole("text", shop_report(), ReportContext("1.2.3", RULES)) == shown("""
        error[mesh-mtls-not-strict]: the mesh of istio-system accepts plain text
         --> mesh/istio.yaml:5:3 · IstioOperator istio-system/mesh
          |
        5 |   namespace: istio-system
          |   ^^^^^^^^^
          |
          = why: Workloads take connections that nobody has authenticated.
          = help: Add a PeerAuthentication with mode STRICT to the root namespace.
          = more: meshlint explain mesh-mtls-not-strict

        warning[cpu-limit-missing]: container server has no CPU limit
          --> shop/cart.yaml:17:17 · Deployment shop/cart
           |
        17 |         - name: server
           |                 ^^^^^^
           |
           = why: A container without a limit can take the CPU time of its neighbors.
           = help: Set `resources.limits.cpu` to what the container may use at most.
           = more: meshlint explain cpu-limit-missing

        warning[hpa-min-replicas-low]: HorizontalPodAutoscaler shop/cart may scale
            Deployment shop/cart down to 1 replica
          --> shop/cart.yaml:27:16 · HorizontalPodAutoscaler shop/cart
           |
         4 |   name: cart
           |         ---- the workload it scales
        ...
        27 |   minReplicas: 1
           |                ^ one replica
           |
          ::: mesh/istio.yaml:9:7
           |
         9 |       autoscaleMin: 1
           |       --------------- istiod itself has the same minimum
           |
           = why: With one replica every restart of the pod is an outage.
           = help: Set `minReplicas` to 2 or more.
           = more: meshlint explain hpa-min-replicas-low

        3 findings: 1 error, 2 warnings
        checked 6 resources in 7 files (9 documents) with 5 rules

        Readiness
          2 workloads: 1 ready, 1 not ready
            ✗ 1/3 Deployment shop/cart — missing: resource-limits, autoscaling
            ✔ 3/3 Deployment shop/web
          1 control plane: 0 ready, 1 not ready
            ✗ 0/3 IstioOperator istio-system/mesh — missing: control-plane, +1
          not checked, input may be incomplete
            ? monitoring of 1 control plane — alerts: no alert that names a mesh metric
              is in the input

        Skipped: Helm template (2), kustomize file (1); -v lists them
        Input taken as complete for autoscalers; incomplete for alerts; -v says why
        """)


def test_run_in_48_columns() -> None:
    assert whole("text", shop_report(), ReportContext("1.2.3", RULES, width=48)) == shown("""
        error[mesh-mtls-not-strict]: the mesh of
            istio-system accepts plain text
         --> mesh/istio.yaml:5:3
             IstioOperator istio-system/mesh
          |
        5 |   namespace: istio-system
          |   ^^^^^^^^^
          |
          = why: Workloads take connections that nobody
                 has authenticated.
          = help: Add a PeerAuthentication with mode
                  STRICT to the root namespace.
          = more: meshlint explain mesh-mtls-not-strict

        warning[cpu-limit-missing]: container server has
            no CPU limit
          --> shop/cart.yaml:17:17
              Deployment shop/cart
           |
        17 |         - name: server
           |                 ^^^^^^
           |
           = why: A container without a limit can take
                  the CPU time of its neighbors.
           = help: Set `resources.limits.cpu` to what
                   the container may use at most.
           = more: meshlint explain cpu-limit-missing

        warning[hpa-min-replicas-low]:
            HorizontalPodAutoscaler shop/cart may scale
            Deployment shop/cart down to 1 replica
          --> shop/cart.yaml:27:16
              HorizontalPodAutoscaler shop/cart
           |
         4 |   name: cart
           |         ---- the workload it scales
        ...
        27 |   minReplicas: 1
           |                ^ one replica
           |
          ::: mesh/istio.yaml:9:7
           |
         9 |       autoscaleMin: 1
           |       ---------------
           |       istiod itself has the same minimum
           |
           = why: With one replica every restart of the
                  pod is an outage.
           = help: Set `minReplicas` to 2 or more.
           = more: meshlint explain hpa-min-replicas-low

        3 findings: 1 error, 2 warnings
        checked 6 resources in 7 files (9 documents)
          with 5 rules

        Readiness
          2 workloads: 1 ready, 1 not ready
            ✗ 1/3 Deployment shop/cart — missing:
                    resource-limits, +1
            ✔ 3/3 Deployment shop/web
          1 control plane: 0 ready, 1 not ready
            ✗ 0/3 IstioOperator istio-system/mesh —
                    missing: control-plane, +1
          not checked, input may be incomplete
            ? monitoring of 1 control plane — alerts: no
              alert that names a mesh metric is in the
              input

        Skipped: Helm template (2), kustomize file (1);
          -v lists them
        Input taken as complete for autoscalers;
          incomplete for alerts; -v says why
        """)


def test_colors_are_all_that_color_adds() -> None:
    plain = whole("text", shop_report(), ReportContext("1.2.3", RULES))
    colored = whole("text", shop_report(), ReportContext("1.2.3", RULES, color=True))
    assert COLORS.sub("", colored) == plain
    assert "\x1b" not in plain


def test_colored_diagnostic() -> None:
    red, blue, bold, dim, end = "\x1b[1;31m", "\x1b[1;34m", "\x1b[1m", "\x1b[2m", "\x1b[0m"
    place = at(DEPLOYMENT, "server", "this one", resource=CART)
    related = at(DEPLOYMENT, "spec", "the pod")
    found = finding(place, related, severity="error", message="no limit")
    assert diagnostics(found, color=True) == (
        f"{red}error[cpu-limit-missing]{end}{bold}: no limit{end}\n"
        f"  {blue}-->{end} shop/cart.yaml:17:17{dim} · Deployment shop/cart{end}\n"
        f"{blue}   |{end}\n"
        f"{blue} 6 |{end} spec:\n"
        f"{blue}   |{end} {blue}----{end} {blue}the pod{end}\n"
        f"{blue}...{end}\n"
        f"{blue}17 |{end}         - name: server\n"
        f"{blue}   |{end}                 {red}^^^^^^{end} {red}this one{end}\n"
    )


def test_why_and_help_are_said_once_for_each_rule() -> None:
    report = Report((finding(at(DEPLOYMENT, "server")),) * 3, resources=1)
    output = whole("text", report, ReportContext("1.2.3", RULES))
    assert output.count("warning[cpu-limit-missing]") == 3
    assert output.count("= why:") == output.count("= help:") == 1
    assert output.count("meshlint explain cpu-limit-missing") == 1


def test_only_the_first_sentence_of_why_and_of_it_three_lines() -> None:
    rule = RuleInfo(
        "r",
        "t",
        "info",
        "resources",
        rationale="Ends here, e.g. at\nthis `dot`. Not shown.\n\nNor this.",
        remediation="Use sixty words " * 20,
    )
    report = Report((finding(at(DEPLOYMENT, "server"), rule="r"),), resources=1)
    output = whole("text", report, ReportContext("1.2.3", (rule,), width=60))
    assert "   = why: Ends here, e.g. at this `dot`.\n   = help: Use sixty" in output
    (help_text,) = re.findall(r"= help: (.*?)\n   = more: meshlint explain r\n", output, re.DOTALL)
    assert help_text.count("\n") == 2
    assert help_text.split()[-1] in ("Use…", "sixty…", "words…")


def test_quiet_is_concise_and_has_no_summary() -> None:
    context = ReportContext("1.2.3", RULES, verbosity=-1)
    assert whole("text", shop_report(), context) == whole("concise", shop_report(), context)
    assert whole("text", Report(), context) == ""


# ------------------------------------------------------------------------------------ frames


def test_message_wraps_with_indent() -> None:
    message = "container server of Deployment shop/cart has no CPU limit and takes what it can get"
    output = diagnostics(finding(at(DEPLOYMENT, "server"), message=message), width=50)
    assert output.startswith(
        shown("""
        warning[cpu-limit-missing]: container server of
            Deployment shop/cart has no CPU limit and
            takes what it can get
          --> shop/cart.yaml:17:17
    """)
    )


def test_object_that_does_not_fit_beside_the_place_goes_below() -> None:
    file = SourceFile(
        "clusters/production/eu-west-1/namespaces/shop/cart.yaml", "kind: Deployment\n"
    )
    assert frame(finding(at(file, "kind", resource=CART))) == shown("""
         --> clusters/production/eu-west-1/namespaces/shop/cart.yaml:1:1
             Deployment shop/cart
          |
        1 | kind: Deployment
          | ^^^^
    """)


def test_lines_far_apart_and_near_and_in_another_file() -> None:
    other = SourceFile("b.yaml", "x: 1\n")
    found = finding(
        at(DEPLOYMENT, "kind"),
        at(other, "1", "elsewhere"),
        at(DEPLOYMENT, "name: «cart»", "two lines below"),
        at(DEPLOYMENT, "server", "far below"),
        at(DEPLOYMENT, "«namespace: shop»\nspec:\n  repl", "next line"),
    )
    assert frame(found) == shown("""
          --> shop/cart.yaml:2:1
           |
         2 | kind: Deployment
           | ^^^^
         3 | metadata:
         4 |   name: cart
           |         ---- two lines below
         5 |   namespace: shop
           |   --------------- next line
        ...
        17 |         - name: server
           |                 ------ far below
           |
          ::: b.yaml:1:4
           |
         1 | x: 1
           |    - elsewhere
        """)


def test_lines_of_different_documents_are_never_joined() -> None:
    file = SourceFile("a.yaml", "a: 1\n---\nb: 2\n")
    found = finding(at(file, "a"), at(file, "b", document=1))
    assert "\n...\n" in frame(found)


LIST = SourceFile("a.yaml", "requests: {cpu: 100m, memory: 64Mi}\n")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            finding(
                at(LIST, "memory: «64Mi»", "less than the limit"),
                at(LIST, "cpu: «100m»", "the CPU request"),
                at(LIST, "requests", "all requests"),
            ),
            """
         --> a.yaml:1:31
          |
        1 | requests: {cpu: 100m, memory: 64Mi}
          | --------        ----          ^^^^ less than the limit
          | |               |
          | |               the CPU request
          | all requests
        """,
        ),
        (
            finding(at(LIST, "cpu: «100m»", "first"), at(LIST, "64Mi", "second")),
            """
         --> a.yaml:1:17
          |
        1 | requests: {cpu: 100m, memory: 64Mi}
          |                 ^^^^          ---- second
          |                 |
          |                 first
        """,
        ),
        (
            finding(at(LIST, "cpu: «100m»", "one"), at(LIST, "cpu: «100m»", "other")),
            """
         --> a.yaml:1:17
          |
        1 | requests: {cpu: 100m, memory: 64Mi}
          |                 ^^^^ one
          |                 |
          |                 other
        """,
        ),
        (
            finding(at(LIST, "cpu: «100m»"), at(LIST, "{cpu: 100m, memory: 64Mi}", "around it")),
            """
         --> a.yaml:1:17
          |
        1 | requests: {cpu: 100m, memory: 64Mi}
          |           ------^^^^---------------
          |           |
          |           around it
        """,
        ),
        (
            finding(at(LIST, "requests"), at(LIST, "cpu"), at(LIST, "memory")),
            """
         --> a.yaml:1:1
          |
        1 | requests: {cpu: 100m, memory: 64Mi}
          | ^^^^^^^^   ---        ------
        """,
        ),
    ],
    ids=["three", "primary-left", "same-place", "one-in-the-other", "no-labels"],
)
def test_labels_on_one_line(found: Finding, expected: str) -> None:
    assert frame(found) == shown(expected)


COMMAND = SourceFile(
    "a.yaml",
    '    command: ["sh", "-c", "curl -sf http://web.shop.svc.cluster.local:8080/healthz && exec '
    '/bin/server --port 8080 --log-level info --config /etc/server/config.yaml"]\n',
)


@pytest.mark.parametrize(
    ("found", "width", "expected"),
    [
        (
            finding(
                at(COMMAND, "command", "calls the network before the proxy is ready to take any")
            ),
            80,
            """
         --> a.yaml:1:5
          |
        1 |     command: ["sh", "-c", "curl -sf http://web.shop.svc.cluster.local:8080/…
          |     ^^^^^^^ calls the network before the proxy is ready to take any
        """,
        ),
        (
            finding(
                at(COMMAND, "/etc/server/config.yaml", "is not in the image that is named above")
            ),
            80,
            """
         --> a.yaml:1:142
          |
        1 | …/bin/server --port 8080 --log-level info --config /etc/server/config.yaml"]
          |                                                    ^^^^^^^^^^^^^^^^^^^^^^^
          |                                       is not in the image that is named
          |                                       above
        """,
        ),
        (
            finding(at(COMMAND, "exec", "here")),
            50,
            """
            no CPU limit
         --> a.yaml:1:87
          |
        1 | ….local:8080/healthz && exec /bin/server --po…
          |                         ^^^^ here
        """,
        ),
        (
            finding(
                at(
                    COMMAND,
                    '«"curl -sf http://web.shop.svc.cluster.local:8080/healthz && exec '
                    '/bin/server --port 8080 --log-level info --config /etc/server/config.yaml"»',
                    "all",
                )
            ),
            60,
            """
            limit
         --> a.yaml:1:27
          |
        1 | … ["sh", "-c", "curl -sf http://web.shop.svc.cluster.lo…
          |                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |                all
        """,
        ),
        (
            finding(at(COMMAND, "--config", "here"), at(COMMAND, "command", "the key")),
            80,
            """
         --> a.yaml:1:133
          |
        1 | …/bin/server --port 8080 --log-level info --config /etc/server/config.yaml"]
          |                                           ^^^^^^^^ here
        1 |     command: ["sh", "-c", "curl -sf http://web.shop.svc.cluster.local:8080/…
          |     ------- the key
        """,
        ),
    ],
    ids=["start", "end", "middle", "longer-than-the-line", "both-ends"],
)
def test_long_lines_are_cut_around_the_place(found: Finding, width: int, expected: str) -> None:
    assert frame(found, width=width) == shown(expected)


UNUSUAL = SourceFile(
    "a.yaml",
    "a:\tb\n"
    "\tname:\t\u65e5\u672c\u8a9e\u30c6\u30b9\u30c8\tx: \u5024\n"
    "e\u0301te\u0301: cafe\u0301 \x1b[31mred\x07 \u202edne\n"
    "crlf: yes\r\n"
    "last: end",
)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            finding(at(UNUSUAL, "a:\t«b»", "after a tab")),
            """
         --> a.yaml:1:4
          |
        1 | a:  b
          |     ^ after a tab
        """,
        ),
        (
            finding(at(UNUSUAL, "\u65e5\u672c\u8a9e", "wide"), at(UNUSUAL, "\u5024", "value")),
            """
         --> a.yaml:2:8
          |
        2 |     name:   日本語テスト    x: 値
          |             ^^^^^^             -- value
          |             |
          |             wide
        """,
        ),
        (
            finding(at(UNUSUAL, "cafe\u0301", "combining"), at(UNUSUAL, "red", "escaped")),
            """
         --> a.yaml:3:8
          |
        3 | été: café \\x1b[31mred\\x07 \\u202edne
          |      ^^^^         --- escaped
          |      |
          |      combining
        """,
        ),
        (
            finding(at(UNUSUAL, "yes", "CR LF")),
            """
         --> a.yaml:4:7
          |
        4 | crlf: yes
          |       ^^^ CR LF
        """,
        ),
        (
            finding(at(UNUSUAL, "end", "no line end")),
            """
         --> a.yaml:5:7
          |
        5 | last: end
          |       ^^^ no line end
        """,
        ),
        (
            finding(Location(UNUSUAL, Span(999, 999), message="unexpected end")),
            """
         --> a.yaml:5:10
          |
        5 | last: end
          |          ^ unexpected end
        """,
        ),
        (
            finding(Location(SourceFile("empty.yaml", ""), Span(0, 0))),
            """
         --> empty.yaml:1:1
          |
        1 |
          | ^
        """,
        ),
    ],
    ids=["tab", "wide", "combining-and-control", "crlf", "last-line", "end-of-file", "empty-file"],
)
def test_unusual_text(found: Finding, expected: str) -> None:
    assert frame(found) == shown(expected)


def test_long_words_stay_whole_but_scripts_without_blanks_are_wrapped() -> None:
    path = "/etc/istio/proxy/a-file-with-a-name-that-is-longer-than-the-terminal.yaml"
    assert wrap(f"see {path} there", 40, indent=2) == ["see", f"  {path}", "  there"]
    assert wrap("\u8a9e" * 25, 40, indent=2) == ["\u8a9e" * 20, "  " + "\u8a9e" * 5]
    assert wrap("one two  three\n four", 9, indent=2) == ["one two", "  three", "  four"]
    assert wrap(" ", 9) == []


def test_place_on_several_lines_shows_the_first() -> None:
    assert frame(finding(at(DEPLOYMENT, "«labels: {app: cart}\n      annotations»"))) == shown("""
          --> shop/cart.yaml:12:7
           |
        12 |       labels: {app: cart}
           |       ^^^^^^^^^^^^^^^^^^^
        """)


def test_many_related_places_are_cut_unless_verbose() -> None:
    file = SourceFile("a.yaml", "".join(f"k{number}: v\n" for number in range(9)))
    found = finding(at(file, "k0"), *[at(file, f"k{number}", "here") for number in range(1, 9)])
    output = diagnostics(found)
    assert output.count("here") == 5
    assert output.endswith("  |\n  = note: 3 more related places (-v shows all)\n")
    verbose = whole("text", Report((found,)), ReportContext("1.2.3", verbosity=1))
    assert verbose.count("here") == 8
    assert "more related places" not in verbose


# ----------------------------------------------------------------------------------- secrets

SECRET = SourceFile(
    "a.yaml",
    shown("""
        apiVersion: v1
        kind: Secret
        data:
          password: aHVudGVyMg==
          'tls.key': |
            hunter: aHVudGVyMg==
          flow: {a: aHVudGVyMg==, b: aHVudGVyMg==}
        """),
)


@pytest.mark.parametrize(
    ("marked", "pointer", "expected"),
    [
        (
            "password: «aHVudGVyMg==»",
            "/data/password",
            """
         --> a.yaml:4:13
          |
        4 |   password: ‹not shown: Secret›
          |             ^^^^^^^^^^^^^^^^^^^
        """,
        ),
        (
            "password",
            "/data/password",
            """
         --> a.yaml:4:3
          |
        4 |   password: ‹not shown: Secret›
          |   ^^^^^^^^
        """,
        ),
        (
            "'tls.key'",
            "/data/tls.key",
            """
         --> a.yaml:5:3
          |
        5 |   'tls.key': ‹not shown: Secret›
          |   ^^^^^^^^^
        """,
        ),
        (
            "hunter: «aHVudGVyMg==»",
            "/data/tls.key",
            """
         --> a.yaml:6:13
          |
        6 | ‹not shown: Secret›
          | ^^^^^^^^^^^^^^^^^^^
        """,
        ),
        (
            "b: «aHVudGVyMg==»",
            "/data/flow/b",
            """
         --> a.yaml:7:30
          |
        7 |   flow: ‹not shown: Secret›
          |         ^^^^^^^^^^^^^^^^^^^
        """,
        ),
        (
            "password",
            "",
            """
         --> a.yaml:4:3
          |
        4 | ‹not shown: Secret›
          | ^^^^^^^^^^^^^^^^^^^
        """,
        ),
    ],
    ids=["value", "key", "quoted-key", "in-a-block", "in-a-flow-mapping", "no-pointer"],
)
def test_lines_of_secrets_show_no_more_than_the_key(
    marked: str, pointer: str, expected: str
) -> None:
    assert frame(finding(at(SECRET, marked, hide_text=True, pointer=pointer))) == shown(expected)


def test_whole_document_is_hidden_when_one_of_its_places_is() -> None:
    found = finding(at(SECRET, "flow", hide_text=True), at(SECRET, "password", "first given here"))
    output = frame(found)
    assert "hunter" not in output
    assert "aHVu" not in output


@settings(deadline=None)
@given(st.data())
def test_no_place_shows_a_value_of_a_secret(data: st.DataObject) -> None:
    bounds = st.integers(0, len(SECRET.text))
    locations = [
        Location(
            SECRET,
            Span(*sorted((data.draw(bounds), data.draw(bounds)))),
            pointer=data.draw(st.sampled_from(["", "/data", "/data/password", "/data/flow/b"])),
            hide_text=True,
        )
        for _ in range(3)
    ]
    output = diagnostics(finding(*locations), width=data.draw(st.integers(20, 120)))
    assert "aHVu" not in output
    assert "hunter" not in output


# --------------------------------------------------------------------- holds for any finding

LINES = st.text(
    st.sampled_from("ab: -{}\"'\t\u00e9\u0301\u65e5\U0001f600\x07\x1b\u202e"),
    min_size=1,
    max_size=200,
)


@settings(deadline=None)
@given(LINES, st.data())
def test_caret_stands_below_its_character_and_nothing_overflows(
    line: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(line) - 1))
    end = data.draw(st.integers(start, len(line)))
    width = data.draw(st.integers(40, 120))
    marked = line[:start] + "X" + line[start + 1 :]
    file = SourceFile("a.yaml", marked)
    rows = frame(finding(Location(file, Span(start, end))), width=width).splitlines()
    assert all(width_of(row) <= width for row in rows)
    source, underline = rows[-2:]
    column = underline.index("^")
    # The first underlined character is the only X of the line.
    assert width_of(source[: source.index("X")]) == column


@settings(deadline=None)
@given(st.text(max_size=80), st.text(max_size=80), st.integers(1, 120))
def test_control_characters_never_reach_the_terminal(message: str, text: str, width: int) -> None:
    file = SourceFile(f"{message}.yaml", text)
    label = Location(file, Span(0, 1), message=message, resource=replace(CART, name=message))
    report = Report((finding(label, label, message=message),))
    for name in ("text", "concise"):
        for verbosity in (0, 1):
            context = ReportContext("1.2.3", RULES, width=width, verbosity=verbosity)
            output = whole(name, report, context)
            assert output.encode("utf-8")
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", output)


def test_glyphs_have_ascii_substitutes_of_the_same_width() -> None:
    context = ReportContext("1.2.3", RULES, verbosity=1)
    output = whole("text", shop_report(), context).translate(TO_ASCII)
    assert output.isascii()
    assert all(len(substitute) == 1 for substitute in TO_ASCII.values())


def test_text_output_does_not_load_what_only_sarif_needs() -> None:
    program = (
        "import sys; from meshlint.findings import Report;"
        "from meshlint.reporters import FORMATS, ReportContext, whole;"
        "whole('text', Report(), ReportContext('1'));"
        "print([name for name in sys.modules if name.startswith(('meshlint.reporters', 'urllib'))])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert "meshlint.reporters.text" in loaded
    assert not re.search("sarif|fingerprints|reporters.json|urllib", loaded)
