"""
The OpenAPI document of the API, as docs/api/openapi.json holds it: `python -m ops.api.openapi`.
"""

import json
from pathlib import Path
from typing import Any

from ops.api.app import build, document

PLACE = Path(__file__).parents[2] / "docs" / "api" / "openapi.json"


def text() -> str:
    """The document as it should stand in the file."""
    site: Any = None  # nothing is asked of it
    return json.dumps(document(build(site)), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the document anew."""
    PLACE.parent.mkdir(exist_ok=True)
    PLACE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
