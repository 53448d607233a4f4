"""GitHub's line hashes: the published vectors, a direct reading of the algorithm, the Multitool."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sarif_validator import line_hashes_by_multitool

from meshlint.reporters.fingerprints import line_hashes

FILES = {
    "crlf.yaml": "kind: Service\r\nspec:\r\n  ports:\r\n    - port: 80\r\n\r\n    - port: 80\r\n",
    "cr.yaml": "kind: Service\rspec:\r  ports: []",
    "mixed.yaml": "a \r \n b\r\n\r\nc\n\rd",
    "blanks.yaml": "\n\n  \n\t\n   ",
    "no-line-end.yaml": "kind: Service\nspec: {}",
    "latin.yaml": "description: \u00e9t\u00e9 \u00df\u00ff\n" * 3,
    "wide.yaml": "description: \u65e5\u672c\u8a9e\n  \u503c: 1\n",
    "astral.yaml": "description: \U0001f600 \U0001f680\nname: \U0001f600\n",
    "repeated.yaml": "- name: x\n" * 150,
    "long-lines.yaml": "\n".join(f"line{n}: {'v' * n * 7}" for n in range(40)),
    # Different lines, one hash: 0 and V weigh as much as 1 and 1.
    "collision.yaml": ("v: 0V" + "=" * 100 + "\n") + ("v: 11" + "=" * 100 + "\n"),
}


def hashes_step_by_step(text: str) -> list[str]:
    """The window moved over the text unit by unit, as the algorithm is written down."""
    units: list[int] = []
    previous_cr = False
    raw = text.encode("utf-16-le", "surrogatepass")
    for unit in memoryview(raw).cast("H"):
        if unit in (0x20, 0x09) or (previous_cr and unit == 0x0A):
            previous_cr = False
            continue
        previous_cr = unit == 0x0D
        units.append(0x0A if previous_cr else unit)
    units.append(65535)
    starts = [0, *(index + 1 for index, unit in enumerate(units) if unit == 0x0A)]
    seen: dict[int, int] = {}
    hashes = []
    for start in starts:
        value = 0
        for unit in [*units[start : start + 100], *[0] * 100][:100]:
            value = (value * 37 + unit) % 2**64
        seen[value] = seen.get(value, 0) + 1
        hashes.append(f"{value:x}:{seen[value]}")
    return hashes


def all_hashes(text: str) -> list[str]:
    lines = range(1, text.count("\n") + text.count("\r") + 2)
    return list(line_hashes(text, lines).values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["c129715d7a2bc9a3:1"]),
        (
            " a\nb\n  \t\tc\n d",
            ["271789c17abda88f:1", "54703d4cd895b18:1", "180aee12dab6264:1", "a23a3dc5e078b07b:1"],
        ),
    ],
)
def test_published_vectors(text: str, expected: list[str]) -> None:
    assert all_hashes(text) == expected


@pytest.mark.parametrize("name", FILES)
def test_as_the_algorithm_is_written_down(name: str) -> None:
    assert all_hashes(FILES[name]) == hashes_step_by_step(FILES[name])


@settings(deadline=None)
@given(st.text(st.sampled_from("aV01: \t\r\n\u00e9\u0142\u65e5\U0001f600"), max_size=400))
def test_any_text(text: str) -> None:
    assert all_hashes(text) == hashes_step_by_step(text)


def test_only_the_lines_asked_for() -> None:
    text = "- a\n" * 9
    every = all_hashes(text)
    assert line_hashes(text, {2, 7}) == {2: every[1], 7: every[6]}
    assert line_hashes(text, ()) == {}


def test_different_lines_with_the_same_hash_are_counted_together() -> None:
    first, second = all_hashes(FILES["collision.yaml"])[:2]
    assert first.removesuffix(":1") == second.removesuffix(":2")


@pytest.mark.slow
def test_the_multitool_agrees(tmp_path: Path) -> None:
    rng = random.Random(37)
    alphabet = "ab:{}-\u00e9\u65e5\U0001f600 \t\n\n\r"
    files = dict(FILES)
    for number in range(20):
        files[f"random-{number}.yaml"] = "".join(rng.choices(alphabet, k=600))
    found = line_hashes_by_multitool(files, tmp_path)
    assert sum(map(len, found.values())) > 500
    assert found == {name: line_hashes(text, found[name]) for name, text in files.items()}
