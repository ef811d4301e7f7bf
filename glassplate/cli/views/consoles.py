"""The two consoles of the command line: results on stdout, everything else on stderr."""

import os
import sys

from rich.console import Console

# Wide enough that no cell of a table is folded for a reader that is a program.
PIPED_COLUMNS = 240


def stdout_console() -> Console:
    """Where results go: in colour at a terminal, plain and unfolded elsewhere."""
    is_piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, markup=False, width=PIPED_COLUMNS if is_piped else None)


def stderr_console() -> Console:
    """Where progress, questions and remarks go."""
    return Console(stderr=True, highlight=False, markup=False)
