"""`glassplate get`: download of a photo."""

import contextlib
from pathlib import Path
from urllib.parse import urlsplit

import click

from glassplate.cli.connection import Connection
from glassplate.client import Client

STDOUT = Path("-")


@click.command()
@click.argument("photo", metavar="URL|VOLUME/PHOTO/VERSION")
@click.option("--size", default="o", show_default=True, help="Size letter, with a reference.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    show_default="the photo's file name",
    help="File or directory to write to, or - for stdout.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.pass_obj
def get(connection: Connection, photo: str, size: str, output: Path | None, *, force: bool) -> None:
    r"""Download a photo.

    The bytes are checked against the cluster's digest. The file appears only when it is complete.
    A download continues where a connection was lost.

    \b
    Examples:
      glassplate get 3/01jd3x8m2c9qp4k7/3fz8qd
      glassplate get 3/01jd3x8m2c9qp4k7/3fz8qd --size m -o cat-small.jpg
      glassplate get "$URL" -o - | exiftool -
    """
    from glassplate.cli.views.progress import TransferProgress

    async def download(client: Client) -> None:
        url = await client.find_url(photo, size)
        name = name_of(url)
        target = _target(output, name)
        with TransferProgress(0, transfers=1) as progress:
            _, on_progress = progress.start(name, None)
            if target == STDOUT:
                data = await client.get(url, on_progress=on_progress)
            else:
                done = await client.download(url, target, overwrite=force, on_progress=on_progress)
        if target == STDOUT:
            click.echo(data, nl=False)
            return
        click.echo(target)
        if not done.is_verified:
            click.echo("The server sent no digest, so the bytes were not checked.", err=True)

    connection.run(download)


def _target(output: Path | None, name: str) -> Path:
    if output is None:
        return Path(name)
    return output / name if output.is_dir() else output


def name_of(url: str) -> str:
    """Return the file name of a photo URL, without the permission.

    >>> name_of("http://h/42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.a.0.9RfLNocbT8gzOmeI_boBpbaO.jpg")
    '01jd3x8m2c9qp4k7_3fz8qd_m.jpg'
    """
    from permission_urls import MalformedUrl, NoPermission, parse_permission_url

    path = urlsplit(url).path
    with contextlib.suppress(MalformedUrl, NoPermission):
        path = parse_permission_url(path).path
    return Path(path).name or "photo"
