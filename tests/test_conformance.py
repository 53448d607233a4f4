"""The configurations that ask what other tools ask are such as anybody may write."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshlint.config import check_rule_settings, load_config
from meshlint.ruleset import load_builtin

CONFIGURATIONS = sorted((Path(__file__).parent / "conformance").glob("*.yaml"))


def test_there_are_configurations() -> None:
    assert CONFIGURATIONS


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
class TestConfiguration:
    def test_names_rules_and_parameters_that_exist(self, path: Path) -> None:
        config = load_config(path, path.name)
        check_rule_settings(config, {rule.id: rule for rule in load_builtin()})

    def test_says_what_each_setting_is_for(self, path: Path) -> None:
        assert path.read_text("utf-8").startswith("# ")
