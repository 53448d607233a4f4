"""Nothing crashes on a value of another type, wherever it stands.

Every rule is tried on its own fixtures with wrong values in them; `python tests/wrong_types.py`
does the same at length.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from wrong_types import Tally, all_rules, sample


@pytest.mark.parametrize("rule", [rule.id for rule in all_rules()])
def test_rules_take_wrong_types(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    tally = Tally()
    tried = sample(rule, tally)
    assert tried
    assert tally.runs
    assert not tally.failures, tally.failures[0]
