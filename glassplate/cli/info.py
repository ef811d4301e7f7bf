"""`glassplate info`: what is known of a photo."""

from typing import TYPE_CHECKING

import click

from glassplate.cli.connection import Connection

if TYPE_CHECKING:
    from rich.table import Table

    from storagemaster.wire import PhotoStatus


@click.command()
@click.argument("reference", metavar="VOLUME/PHOTO/VERSION")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def info(connection: Connection, reference: str, *, as_json: bool) -> None:
    r"""Show what is known of a photo.

    It is `pending` until its sizes are made, then `ready`; or `failed`, with the reason, when none
    can be made: the original is kept all the same.

    \b
    Examples:
      glassplate info 3/01jd3x8m2c9qp4k7/3fz8qd
      glassplate info 3/01jd3x8m2c9qp4k7/3fz8qd --json | jq .state
    """
    status = connection.run(lambda client: client.info(reference))
    if as_json:
        import json
        from dataclasses import asdict

        click.echo(json.dumps({"reference": reference, **asdict(status)}, indent=2))
        return
    from glassplate.cli.consoles import results

    click.echo(f"{reference} is {_state(status)}")
    if status.info:
        results().print(_variants_table(status))
    for letter, url in status.urls.items():
        click.echo(f"  {letter}  {url}")


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
