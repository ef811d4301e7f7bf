"""`python -m tests.planted` plants every bug, one at a time, and prints what found it."""

import sys
import time
from functools import partial

from tests.planted.catalogue import BUGS

out = partial(print, flush=True)


def main() -> int:
    """Print the table; return 1 if a bug was not found."""
    missed = 0
    for bug in BUGS:
        started = time.perf_counter()
        found = bug.found_by.find(bug)
        missed += not found
        seconds = time.perf_counter() - started
        out(f"{'found' if found else 'MISSED'}  {seconds:5.1f} s  {bug.what}")
        out(f"                  {bug.found_by.name}: {found}")
    out(f"{len(BUGS) - missed} of {len(BUGS)} planted bugs were found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
