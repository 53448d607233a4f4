"""Syntax of CEL, as filters of access logs use it."""

from __future__ import annotations

import pytest

from meshlint.model.cel import is_expression


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "response.code >= 400",
        "!has(request.headers['x-trace']) || connection.mtls",
        "request.url_path.startsWith('/api') && (response.flags in [1, 2u, 0x10])",
        "size(request.headers) > 3 ? 'many' : \"few\"",
        "metadata.filter_metadata[\"a\"]['b'] == b'\\x00' // the rest is a comment",
        "{'a': 1, 'b': [1.5e3, -2,]}.b[0] % 2 == 1",
        "google.protobuf.Duration{seconds: 5} < duration('1m')",
        "r'\\d+' != '''it's'''",
        ".absolute.name",
    ],
)
def test_expressions_are_taken(text: str) -> None:
    assert is_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "response.code >=",
        "response.code = 200",
        "a & b",
        "(a || b",
        "a || b)",
        "'open",
        "a ? b",
        "[1, 2",
        "{1}",
        "a..b",
        "a.",
        "%RESPONSE_CODE% >= 500",
        "response.code > 400 and response.code < 500",
        "(" * 5000,
        "import.x",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    assert not is_expression(text)
