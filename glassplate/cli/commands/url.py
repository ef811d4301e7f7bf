"""`glassplate url`: permission URLs, signed without a network."""

from datetime import timedelta

import click

from glassplate.cli.connection import Connection
from glassplate.cli.options.parameter_types import DURATION


@click.command()
@click.argument("reference", metavar="VOLUME/PHOTO/VERSION")
@click.option("--size", "sizes", multiple=True, required=True, help="Size letter. Repeatable.")
@click.option("--ext", show_default="jpg", help="Format. Required for an original.")
@click.option(
    "--expires",
    type=DURATION,
    show_default="never",
    help="Lifetime of the URL, rounded up to five minutes.",
)
@click.pass_obj
def url(
    connection: Connection,
    reference: str,
    sizes: tuple[str, ...],
    ext: str | None,
    expires: timedelta | None,
) -> None:
    r"""Sign the URL of a photo.

    This needs the key file of the cluster, but no network, and the photo does not have to exist.
    Each size has a line. A person with the URL of a size can derive the URLs of its class: all
    sizes up to 1024 pixels, all larger ones, or the original.

    \b
    Examples:
      glassplate url 3/01jd3x8m2c9qp4k7/3fz8qd --size m
      glassplate url 3/01jd3x8m2c9qp4k7/3fz8qd --size m --size b --expires 1h
      glassplate url 3/01jd3x8m2c9qp4k7/3fz8qd --size o --ext png
    """
    client = connection.client()
    signed = [client.url(reference, size, ext=ext, expires=expires) for size in sizes]
    for line in signed:
        click.echo(line)
