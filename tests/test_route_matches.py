"""Which requests one match of a VirtualService leaves for another."""

from __future__ import annotations

from typing import Any

import pytest

from meshlint.mesh.route_matches import covers_paths, is_claim, is_same, takes_all
from meshlint.mesh.routes import Match, Rule


def match(**fields: Any) -> Match:
    rule = Rule("http", 0, {"match": [fields]}, ("spec", "http", 0))
    return Match(rule, 0, fields, (*rule.path, "match", 0))


def prefix(path: str, **more: Any) -> Match:
    return match(uri={"prefix": path}, **more)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (prefix("/loans"), prefix("/loans/late")),
        (prefix("/loans"), match(uri={"exact": "/loans"})),
        (prefix("/loans"), prefix("/loans", method={"exact": "GET"})),
        (prefix("/loans", gateways=["mesh", "edge/a"]), prefix("/loans/a", gateways=["mesh"])),
        (
            prefix("/loans", headers={"x-desk": {"prefix": "a"}}),
            prefix("/loans", headers={"x-desk": {"exact": "ab"}, "x-floor": {}}),
        ),
        (
            prefix("/loans", sourceLabels={"app": "web"}),
            prefix("/loans", sourceLabels={"app": "web", "tier": "front"}),
        ),
        (prefix("/L", ignoreUriCase=True), prefix("/loans", ignoreUriCase=True)),
    ],
)
def test_a_prefix_covers_what_asks_the_same_and_more(earlier: Match, later: Match) -> None:
    assert covers_paths(earlier, later)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (prefix("/loans/late"), prefix("/loans")),
        (match(uri={"exact": "/loans"}), match(uri={"exact": "/loans"}, port=80)),
        (prefix("/loans"), match(uri={"regex": "/loans/.*"})),
        (prefix("/loans"), match(headers={"x-desk": {}})),
        (prefix("/loans", method={"exact": "GET"}), prefix("/loans/late")),
        (prefix("/loans", method={"exact": "GET"}), prefix("/loans", method={"regex": "GET"})),
        (prefix("/loans", gateways=["mesh"]), prefix("/loans/late")),
        (prefix("/loans", port=80), prefix("/loans", port=81)),
        (prefix("/loans", headers={"a": {}}), prefix("/loans", withoutHeaders={"a": {}})),
        (prefix("/loans"), prefix("/loans/late", ignoreUriCase=True)),
        (prefix(""), prefix("/loans")),
    ],
)
def test_a_prefix_leaves_what_asks_less_or_else(earlier: Match, later: Match) -> None:
    assert not covers_paths(earlier, later)


def test_names_do_not_tell_matches_apart() -> None:
    assert is_same(prefix("/a", name="one", headers={}), prefix("/a", statPrefix="two"))
    assert not is_same(prefix("/a"), prefix("/a", ignoreUriCase=True))


@pytest.mark.parametrize(
    ("found", "gateways", "expected"),
    [
        (match(), (), True),
        (match(name="all"), (), True),
        (prefix("/"), (), True),
        (match(uri={"regex": ".*"}), (), True),
        (prefix("/a"), (), False),
        (prefix("/", method={"exact": "GET"}), (), False),
        (match(gateways=["mesh"]), ("mesh",), True),
        (match(gateways=["mesh"]), ("edge/a",), False),
        (match(gateways=["mesh"]), (), False),
    ],
)
def test_a_match_may_take_every_request(
    found: Match, gateways: tuple[str, ...], expected: bool
) -> None:
    assert takes_all(found, gateways=gateways) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("@request.auth.claims.group", True),
        ("@Request.Auth.Claims[https://bank.example/group]", True),
        ("@request.auth.claims", False),
        ("@request.auth.claims-group", False),
        ("x-group", False),
        (None, False),
    ],
)
def test_claims_are_told_from_headers(header: Any, expected: bool) -> None:
    assert is_claim(header) is expected
