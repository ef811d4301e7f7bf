"""`glassplate get`: downloading a photo."""

import contextlib
from pathlib import Path
from urllib.parse import urlsplit

import click

from glassplate.cli.connection import Connection
from glassplate.client import Client

STDOUT = Path("-")


@click.command()
@click.argument("photo", metavar="URL|VOLUME/PHOTO/VERSION")
@click.option("--size", default="o", help="A size letter, with a reference.  [default: o]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    help="A file, a directory, or - for stdout.  [default: the photo's own name, here]",
)
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
@click.pass_obj
def get(connection: Connection, photo: str, size: str, output: Path | None, *, force: bool) -> None:
    r"""Download a photo.

    The bytes are checked against the digest that the cluster tells, and the file is there only
    when it is whole. A connection that breaks is taken up again where it broke.

    \b
    Examples:
      glassplate get 3/01jd3x8m2c9qp4k7/3fz8qd
      glassplate get 3/01jd3x8m2c9qp4k7/3fz8qd --size m -o cat-small.jpg
      glassplate get "$URL" -o - | exiftool -
    """
    from glassplate.cli.views.progress import TransferProgress

    async def to_stdout(client: Client) -> None:
        url = await client.find_url(photo, size)
        with TransferProgress(0, transfers=1) as progress:
            _, on_progress = progress.start(name_of(url), None)
            data = await client.get(url, on_progress=on_progress)
        click.echo(data, nl=False)

    async def to_file(client: Client) -> None:
        url = await client.find_url(photo, size)
        target = _target(output, name_of(url))
        with TransferProgress(0, transfers=1) as progress:
            _, on_progress = progress.start(name_of(url), None)
            done = await client.download(url, target, overwrite=force, on_progress=on_progress)
        click.echo(target)
        if not done.is_verified:
            click.echo("The server told no digest, so the bytes are not checked.", err=True)

    connection.run(to_stdout if output == STDOUT else to_file)


def _target(output: Path | None, name: str) -> Path:
    if output is None:
        return Path(name)
    return output / name if output.is_dir() else output


def name_of(url: str) -> str:
    """The name a photo has without its permission.

    >>> name_of("http://h/42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.a.0.9RfLNocbT8gzOmeI_boBpbaO.jpg")
    '01jd3x8m2c9qp4k7_3fz8qd_m.jpg'
    """
    from permission_urls import MalformedUrl, NoPermission, parse_permission_url

    path = urlsplit(url).path
    with contextlib.suppress(MalformedUrl, NoPermission):
        path = parse_permission_url(path).path
    return Path(path).name or "photo"
