"""`glassplate ticket`: an upload ticket, signed without network."""

import secrets
import time
from datetime import timedelta
from pathlib import Path

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import WrongUsage
from glassplate.cli.options.parameter_types import BYTES, DURATION
from permission_urls import (
    Ticket,
    Unsignable,
    generate_ticket_id,
    load_keys,
    sign_ticket,
    ticket_key_of,
)


@click.command()
@click.option("--application", default="default", show_default=True, help="Application that signs.")
@click.option(
    "--bytes-max", type=BYTES, default="50M", show_default=True, help="Longest photo accepted."
)
@click.option(
    "--count", type=click.IntRange(1, 500), default=1, show_default=True, help="Number of photos."
)
@click.option("--format", "formats", multiple=True, help="Accepted format, as in jpg. Repeatable.")
@click.option("--sha256", help="Digest that the photo must have, in hex.")
@click.option("--volume", type=int, help="Volume that the photo goes to.")
@click.option("--strict", is_flag=True, help="Refuse an upload that cannot reach two colos.")
@click.option("--to", help="Address that a form leads to after the upload.")
@click.option("--ref", help="The application's own reference, repeated in receipt and event.")
@click.option(
    "--expires", type=DURATION, default="1h", show_default=True, help="Lifetime, at most 7d."
)
@click.pass_obj
def ticket(
    connection: Connection,
    *,
    application: str,
    bytes_max: int,
    count: int,
    formats: tuple[str, ...],
    sha256: str | None,
    volume: int | None,
    strict: bool,
    to: str | None,
    ref: str | None,
    expires: timedelta,
) -> None:
    r"""Sign an upload ticket.

    A browser or a device uploads with it and can do nothing else. No network is needed.

    \b
    Examples:
      glassplate ticket --application shop --ref order-7
      TICKET=$(glassplate ticket --format jpg --format heic --bytes-max 20M)
      curl --data-binary @cat.jpg -H "Authorization: Bearer $TICKET" \
        http://HOST/photos
    """
    keys = load_keys(Path(connection.cluster().keys_file))
    try:
        ticket = Ticket(
            application=application,
            id=generate_ticket_id(secrets.token_bytes),
            expiry=int(time.time() + expires.total_seconds()),
            count=count,
            bytes_max=bytes_max,
            formats=formats or None,
            sha256=sha256,
            volume=volume,
            strict=strict,
            to=to,
            ref=ref,
        )
        text = sign_ticket(ticket_key_of(keys, application), ticket)
    except Unsignable as error:
        raise WrongUsage(f"invalid ticket: {error}") from error
    click.echo(text)
