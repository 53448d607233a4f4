"""Work is counted in calls, as seconds differ from machine to machine. `benchmarks/work.py` counts.

The limits are a little above what it counted on CPython 3.11, and leave room for other releases.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import work

START = 5.5
"""Calls for one small file, against `import click`."""
AN_OBJECT = 3_900
"""Calls for an object of a mesh, every rule on."""
MARGIN = 1.15


@pytest.mark.slow
def test_one_small_file_takes_little_more_work_than_the_command_line_itself() -> None:
    assert work.start() < START * MARGIN


def test_work_for_an_object_is_the_same_in_a_mesh_four_times_as_large() -> None:
    work.each_object(1)  # loads the checks
    few, many = work.each_object(4), work.each_object(16)
    assert few < AN_OBJECT * MARGIN
    assert many < few * 1.05
