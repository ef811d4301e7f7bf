"""`glassplate url`: permission URLs, signed with no network."""

from datetime import timedelta

import click

from glassplate.cli.connection import Connection
from glassplate.cli.options.durations import DURATION


@click.command()
@click.argument("reference", metavar="VOLUME/PHOTO/VERSION")
@click.option(
    "--size", "sizes", multiple=True, required=True, help="A size letter; may be given again."
)
@click.option("--ext", help="The format.  [default: jpg; that of an original must be given]")
@click.option(
    "--expires",
    type=DURATION,
    help="How long the URL opens the photo, rounded up to five minutes.  [default: for ever]",
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

    This needs the key file of cluster.toml and nothing else: no network, and no photo either. One
    line is printed for each size. Whoever has the URL of a size can make those of its class: all
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
