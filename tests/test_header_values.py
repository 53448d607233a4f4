"""Values of headers that the proxy fills in."""

from __future__ import annotations

import time

import pytest

from meshlint.mesh.header_values import is_header_value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "no-store",
        "100%%",
        "%HOSTNAME%",
        "by %HOSTNAME% at %START_TIME(%s.%3f)%",
        "%REQ(x-request-id?:path)%",
        '%UPSTREAM_METADATA(["istio", "a)b"])%'.replace("a)b", "a\\)b"),
        "%REQ(a) %",
        "tab\tinside",
    ],
)
def test_good_values(value: str) -> None:
    assert is_header_value(value)


@pytest.mark.parametrize(
    "value",
    [
        "15%",
        "abc%123",
        "%HOSTNAME%%",
        "%REQ(a%",
        "%REQ(a)b%",
        "%REQ(a)",
        "%REQ(a\\",
        "a\nb",
        "a\x7f",
    ],
)
def test_bad_values(value: str) -> None:
    assert not is_header_value(value)


@pytest.mark.parametrize("part", ["%(", "%a(", "%a(\\", "%a() ", "%%", "% "])
def test_long_values_take_no_time(part: str) -> None:
    start = time.monotonic()
    is_header_value(part * 50_000 + "%")
    assert time.monotonic() - start < 2
