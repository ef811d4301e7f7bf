"""`glassplate info`: what is known of photos."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_NOT_DONE

if TYPE_CHECKING:
    from rich.table import Table

    from storagemaster.wire import PhotoStatus


# A state in which a photo can be had.
HAD_STATES = frozenset({"pending", "ready", "failed"})


@click.command()
@click.argument("references", metavar="VOLUME/PHOTO/VERSION...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def info(connection: Connection, references: tuple[str, ...], *, as_json: bool) -> None:
    r"""Show what is known of a photo, or of many at once.

    It is `pending` until its sizes are made, then `ready`; or `failed`, with the reason, when none
    can be made: the original is kept all the same. Of many photos each has a line; those that are
    `gone`, `unknown` or `unavailable` make the exit status 1.

    \b
    Examples:
      glassplate info 3/01jd3x8m2c9qp4k7/3fz8qd
      glassplate info 3/01jd3x8m2c9qp4k7/3fz8qd --json | jq .state
      glassplate info --json $(cat album.txt) | jq -r '.photos[] | .urls.q // empty'
    """
    if len(references) == 1:
        _show_one(connection, references[0], as_json=as_json)
    else:
        _show_many(connection, references, as_json=as_json)


def _show_one(connection: Connection, reference: str, *, as_json: bool) -> None:
    status = connection.run(lambda client: client.info(reference))
    if as_json:
        _print_json(_document(status))
        return
    from glassplate.cli.views.consoles import stdout_console

    click.echo(f"{reference} is {_state(status)}")
    if status.info:
        stdout_console().print(_variants_table(status))
    for letter, url in status.urls.items():
        click.echo(f"  {letter}  {url}")


def _show_many(connection: Connection, references: tuple[str, ...], *, as_json: bool) -> None:
    statuses = connection.run(lambda client: client.infos(references))
    if as_json:
        _print_json({"photos": [_document(status) for status in statuses]})
    else:
        for status in statuses:
            click.echo(f"{status.reference} is {_state(status)}")
    if not all(status.state in HAD_STATES for status in statuses):
        sys.exit(EXIT_NOT_DONE)


def _document(status: "PhotoStatus") -> dict[str, Any]:
    return {"reference": status.reference, **asdict(status)}


def _print_json(document: dict[str, Any]) -> None:
    import json

    click.echo(json.dumps(document, indent=2))


def _state(status: "PhotoStatus") -> str:
    if status.reason:
        return f"{status.state}: {status.reason}"
    if status.position is not None:
        return f"{status.state}, jobs before it in the queue: {status.position}"
    return status.state


def _variants_table(status: "PhotoStatus") -> "Table":
    """The sizes that are made, as the info document has them."""
    from rich import filesize
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Size", "Format", "Pixels", "Bytes"):
        table.add_column(name)
    for made in (status.info or {}).get("variants", []):
        pixels = f"{made['width']} x {made['height']}" if "width" in made else ""
        table.add_row(
            str(made.get("size", "")),
            str(made.get("ext", "")),
            pixels,
            filesize.decimal(int(made.get("bytes", 0))),
        )
    return table
