"""What mkdocs takes from the package: the address the site is published at."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from meshlint import DOCS_URL


def on_config(config: Any) -> Any:
    """Set the address, so that it stands in one place only."""
    config["site_url"] = f"{DOCS_URL}/" if DOCS_URL else None
    return config
