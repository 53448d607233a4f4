"""The real judges of SARIF: Microsoft's Multitool, with its rules for GitHub, and the JSON Schema.

MESHLINT_SARIF_MULTITOOL and MESHLINT_SARIF_SCHEMA name the binary and the schema (npm packages
@microsoft/sarif-multitool and @microsoft/sarif-multitool-ts). Without them the tests are skipped,
but not in CI, where they fail.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

_SETTINGS = Path(__file__).with_name("sarif_ghas.xml")


def complaints(sarif: Path) -> list[str]:
    """What the validator has against a file, notes left out."""
    # Its exit code is 0 with errors in the file, too, and of a file that it cannot read it says
    # nothing at all. A second run with a known defect shows that it did read the file.
    log = _load(sarif)
    canary = {
        "tool": {"driver": {"name": "canary", "rules": [{"id": "canary"}]}},
        "results": [{"ruleId": "canary", "ruleIndex": 1, "message": {"text": "Canary."}}],
    }
    copy = sarif.with_suffix(".with-canary.sarif")
    copy.write_text(json.dumps({**log, "runs": [*log["runs"], canary]}), "utf-8")
    report = sarif.with_suffix(".validated")
    checks = ["--rule-kind", "Sarif;Ghas", "--config", str(_SETTINGS)]
    _multitool("validate", str(copy), *checks, "-o", str(report))
    (run,) = _load(report)["runs"]
    said = [
        f"{result['ruleId']}: {' '.join(result['message'].get('arguments', []))}"
        for result in run["results"]
        if result.get("level", "warning") != "note"
    ]
    about_canary = [text for text in said if f"runs[{len(log['runs'])}]" in text]
    if not any(text.startswith("SARIF1009") for text in about_canary):
        return ["the file could not be read"]
    return [text for text in said if text not in about_canary]


def schema_errors(sarif: Path) -> list[str]:
    """Where a file differs from the JSON Schema of SARIF 2.1.0."""
    from jsonschema import Draft202012Validator

    schema = json.loads(_required("MESHLINT_SARIF_SCHEMA").read_text("utf-8"))
    validator = Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(_load(sarif))]


def line_hashes_by_multitool(files: dict[str, str], folder: Path) -> dict[str, dict[int, str]]:
    """GitHub's hash of every line of some files, computed by the Multitool."""
    results = []
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
        lines = len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
        results += [
            {
                "ruleId": "line",
                "message": {"text": "."},
                "locations": [
                    {
                        "physicalLocation": {
                            "artifactLocation": {"uri": name, "uriBaseId": "ROOT"},
                            "region": {"startLine": line},
                        }
                    }
                ],
            }
            for line in range(1, lines + 1)
        ]
    run = {
        "tool": {"driver": {"name": "lines"}},
        "originalUriBaseIds": {"ROOT": {"uri": folder.as_uri() + "/"}},
        "results": results,
    }
    before, after = folder / "before.sarif", folder / "after.sarif"
    before.write_text(json.dumps({"version": "2.1.0", "runs": [run]}), "utf-8")
    insert = ["--insert", "RollingHashPartialFingerprints"]
    _multitool("rewrite", str(before), *insert, "-o", str(after))
    hashes: dict[str, dict[int, str]] = {name: {} for name in files}
    for result in _load(after)["runs"][0]["results"]:
        place = result["locations"][0]["physicalLocation"]
        found = result.get("partialFingerprints", {}).get("primaryLocationLineHash")
        hashes[place["artifactLocation"]["uri"]][place["region"]["startLine"]] = found
    return hashes


def _multitool(*arguments: str) -> None:
    binary = str(_required("MESHLINT_SARIF_MULTITOOL"))
    command = [binary, *arguments, "--log", "ForceOverwrite"]
    # Without this setting it wants the ICU libraries.
    environment = os.environ | {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
    subprocess.run(command, check=True, capture_output=True, timeout=300, env=environment)


def _required(variable: str) -> Path:
    value = os.environ.get(variable, "")
    if value and Path(value).is_file():
        return Path(value)
    reason = f"{variable} names no file"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _load(path: Path) -> Any:
    return json.loads(path.read_text("utf-8-sig"))
