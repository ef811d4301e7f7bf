"""Named points where a test can kill the process. Outside tests a crash point does nothing.

`GLASSPLATE_CRASH_AT=after_link` kills at the first pass, `after_link:3` at the third. The process
first writes the name to the file in `GLASSPLATE_CRASH_LOG`, as evidence for the test.
"""

import os
import signal
from pathlib import Path

_NAME, _, _PASS = os.environ.get("GLASSPLATE_CRASH_AT", "").partition(":")
_left = int(_PASS or 1)


def crashpoint(name: str) -> None:
    """Kill this process with SIGKILL if a test selected this point."""
    if name == _NAME:
        _die(name)


def _die(name: str) -> None:
    global _left  # noqa: PLW0603  # passes are counted per process
    _left -= 1
    if _left == 0:
        Path(os.environ["GLASSPLATE_CRASH_LOG"]).write_text(name)
        os.kill(os.getpid(), signal.SIGKILL)
