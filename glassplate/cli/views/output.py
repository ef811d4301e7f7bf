"""Output of the command line: results on stdout as text or JSON, everything else on stderr."""

import io
import json
import os
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from glassplate.errors import GlassplateError

Document = Mapping[str, Any]
"""A JSON object of the cluster or of a command."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

# Wide enough that no table cell folds in a pipe.
_PIPED_COLUMNS = 240


def print_json(document: Document | Sequence[Any], *, is_line: bool = False) -> None:
    """Print a document to stdout, indented or as one line."""
    click.echo(json.dumps(document, indent=None if is_line else 2))


def error_document(error: "GlassplateError") -> dict[str, Any]:
    """Return the fields of an error in JSON output."""
    status = error.problem.status if error.problem else None
    return {"error": error.code, "message": str(error), "status": status}


def accept_any_name() -> None:
    """Make stdout and stderr escape what they cannot encode, such as names in another encoding.

    Without it, a receipt would be lost to the name of its file.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def escape_unprintable(text: object) -> str:
    r"""Return a text that cannot control a terminal, for names of files.

    >>> escape_unprintable("caf\u00e9 \x1b[2J\n")
    'café \\x1b[2J\\n'
    """
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character).startswith("C")
        else character
        for character in str(text)
    )


def shorten_middle(text: str, columns_max: int) -> str:
    """Return a text whose middle is left out if it is too wide for a terminal.

    >>> shorten_middle("holiday-of-2019.jpg", 12)
    'holida…9.jpg'
    """
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= columns_max:
        return text
    tail = (columns_max - 1) // 2
    head = columns_max - 1 - tail
    return f"{set_cell_size(text, head).rstrip()}…{set_cell_size(text[::-1], tail)[::-1].lstrip()}"


def escape_lines(text: str) -> str:
    """Return a message of several lines, each of them escaped."""
    return "\n".join(map(escape_unprintable, text.split("\n")))


def print_parts(*parts: "RenderableType") -> None:
    """Print text and tables to stdout."""
    console = stdout_console()
    for part in parts:
        console.print(part)


def new_table(*names: str) -> "Table":
    """Return an empty table with these columns, whose cells fold."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def stdout_console() -> "Console":
    """Return a console on stdout: colored at a terminal, plain and unfolded elsewhere."""
    from rich.console import Console

    is_piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, markup=False, width=_PIPED_COLUMNS if is_piped else None)


def stderr_console() -> "Console":
    """Return a console on stderr, for progress and warnings."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False)
