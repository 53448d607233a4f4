"""What reporters need to know beside the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from meshlint.dataclass import dataclass, field

if TYPE_CHECKING:
    from meshlint.findings import RuleInfo

Verbosity = Literal[-1, 0, 1]

CI_VARIABLES = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA")
"""Environment variables by which a CI job says what it works on."""


@dataclass(frozen=True, slots=True)
class ReportContext:
    """The run and the place its output goes to."""

    version: str
    """Version of meshlint."""
    rules: Sequence[RuleInfo] = ()
    """Every enabled rule, whether it found something or not."""
    color: bool = False
    width: int = 80
    """Columns of the terminal."""
    verbosity: Verbosity = 0
    working_directory: str = ""
    """Absolute path that the paths of files are relative to."""
    repository: str = ""
    """Absolute path of the repository's root, which paths in SARIF are relative to; empty when the
    root is not known: the working directory then counts as the root."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Values of CI_VARIABLES; empty or missing outside of such a job."""
    category: str = "meshlint"
    """Names this run's SARIF among several of one commit."""
