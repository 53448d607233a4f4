"""Puts the rule declarations into the wheel, compiled, as ``meshlint/_rules/``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileRules(BuildHookInterface[Any]):
    """Compiles ``rules/`` while a wheel is built; an editable install reads ``rules/`` itself."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the compiled declarations to the wheel.

        Raises what ``compile_rules`` raises: a rule that does not validate fails the build.
        """
        if version == "editable":
            return
        root = Path(self.root)
        # A build frontend does not put the project on the path, and nothing is installed yet.
        sys.path.insert(0, str(root))
        try:
            ruleset = importlib.import_module("meshlint.ruleset")
        finally:
            sys.path.remove(str(root))
        self._compiled = TemporaryDirectory(prefix="meshlint-rules-")
        ruleset.compile_rules(root / "rules", Path(self._compiled.name))
        build_data["force_include"][self._compiled.name] = "meshlint/_rules"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the folder the declarations were compiled into."""
        if version != "editable":
            self._compiled.cleanup()
