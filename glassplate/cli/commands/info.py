"""`glassplate info`: the state of photos."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_FAILED
from glassplate.cli.views.output import json_option, new_table, print_json, print_parts

if TYPE_CHECKING:
    from rich.table import Table

    from storagemaster.wire import PhotoStatus


# States in which the original can be read.
STORED_STATES = frozenset({"pending", "ready", "failed"})


@click.command()
@click.argument("references", metavar="VOLUME/PHOTO/VERSION...", nargs=-1, required=True)
@json_option
@click.pass_obj
def info(connection: Connection, references: tuple[str, ...], *, as_json: bool) -> None:
    r"""Show the state of photos.

    A photo is `pending` until its sizes are made, then `ready`. It is `failed`, with the reason,
    if its sizes cannot be made; the original is stored nevertheless. Several photos have a line
    each, and the exit status is 1 if one is `gone`, `unknown`, or `unavailable`.

    \b
    Examples:
      glassplate info 3/01jd3x8m2c9qp4k7/3fz8qd
      glassplate info 3/01jd3x8m2c9qp4k7/3fz8qd --json | jq .state
      glassplate info --json $(cat refs.txt) | jq '.photos[].urls.q // empty'
    """
    if len(references) == 1:
        _show_one(connection, references[0], as_json=as_json)
    else:
        _show_many(connection, references, as_json=as_json)


def _show_one(connection: Connection, reference: str, *, as_json: bool) -> None:
    status = connection.run(lambda client: client.info(reference))
    if as_json:
        print_json(_document(status))
        return
    click.echo(f"{reference} is {_state(status)}")
    if status.info:
        print_parts(_variants_table(status))
    for letter, url in status.urls.items():
        click.echo(f"  {letter}  {url}")


def _show_many(connection: Connection, references: tuple[str, ...], *, as_json: bool) -> None:
    statuses = connection.run(lambda client: client.infos(references))
    if as_json:
        print_json({"photos": [_document(status) for status in statuses]})
    else:
        for status in statuses:
            click.echo(f"{status.reference} is {_state(status)}")
    if not all(status.state in STORED_STATES for status in statuses):
        sys.exit(EXIT_FAILED)


def _document(status: "PhotoStatus") -> dict[str, Any]:
    return {"reference": status.reference, **asdict(status)}


def _state(status: "PhotoStatus") -> str:
    if status.reason:
        return f"{status.state}: {status.reason}"
    if status.position is not None:
        return f"{status.state}, jobs ahead in the queue: {status.position}"
    return status.state


def _variants_table(status: "PhotoStatus") -> "Table":
    """Return the sizes listed in the info document."""
    from rich import filesize

    table = new_table("Size", "Format", "Pixels", "Bytes")
    for made in (status.info or {}).get("variants", []):
        pixels = f"{made['width']} x {made['height']}" if "width" in made else ""
        table.add_row(
            str(made.get("size", "")),
            str(made.get("ext", "")),
            pixels,
            filesize.decimal(int(made.get("bytes", 0))),
        )
    return table
