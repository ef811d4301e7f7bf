"""Named places where tests kill the process: `crashpoint("after_link")` is a no-op otherwise.

`GLASSPLATE_CRASH_AT=after_link` kills at the first pass, `after_link:3` at the third. The name
goes to the file in `GLASSPLATE_CRASH_LOG` first, so that a test knows the point was reached.
"""

import os
import signal
from pathlib import Path

_NAME, _, _PASS = os.environ.get("GLASSPLATE_CRASH_AT", "").partition(":")
_left = int(_PASS or 1)


def crashpoint(name: str) -> None:
    """Die here by SIGKILL if a test asked for it."""
    if name == _NAME:
        _die(name)


def _die(name: str) -> None:
    global _left  # noqa: PLW0603  # passes are counted for the whole process, as the crash is
    _left -= 1
    if _left == 0:
        Path(os.environ["GLASSPLATE_CRASH_LOG"]).write_text(name)
        os.kill(os.getpid(), signal.SIGKILL)
