"""Write docs/api.md from the table of routes."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.docs.api_page import api_page  # noqa: E402

if __name__ == "__main__":
    (ROOT / "docs" / "api.md").write_text(api_page())
