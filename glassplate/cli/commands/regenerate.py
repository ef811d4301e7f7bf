"""`glassplate regenerate`: having the sizes of photos made again."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import exit_code_of_all, format_error
from glassplate.client import Client
from glassplate.errors import GlassplateError
from glassplate.urls.references import parse_version_reference

if TYPE_CHECKING:
    from rich.progress import Progress

    from volumes.cluster import Cluster
    from volumes.photo_path import PhotoVersion


@dataclass(slots=True)
class _Regenerated:
    """What is to be rebuilt, and how it went."""

    volumes: list[int]
    recipe: str | None
    rebuilt: int = 0
    errors: list[GlassplateError] = field(default_factory=list)


@click.command()
@click.option("--volume", "volumes", type=int, multiple=True, help="Only this volume; repeatable.")
@click.option("--photo", metavar="VOLUME/PHOTO/VERSION", help="Only this photo.")
@click.option("--failed", is_flag=True, help="Photos whose sizes failed or are not made yet.")
@click.option(
    "--recipe", "by_recipe", is_flag=True, help="Photos of another recipe than the config's."
)
@click.pass_obj
def regenerate(
    connection: Connection,
    *,
    volumes: tuple[int, ...],
    photo: str | None,
    failed: bool,
    by_recipe: bool,
) -> None:
    r"""Have the sizes of photos made again.

    --failed asks again for the sizes of photos that have none. --recipe makes a new version, with
    new URLs, of every photo whose sizes another recipe made; the old version stays until you
    delete it. Each photo is a line of JSON: its reference, and the one that will have the sizes.

    Workers do this after everything else. Doing it again is harmless.

    \b
    Examples:
      glassplate regenerate --failed
      glassplate regenerate --failed --photo 3/01jd3x8m2c9qp4k7/3fz8qd
      glassplate regenerate --recipe --volume 3 > renewed.jsonl
    """
    if failed == by_recipe:
        raise click.UsageError("give one of --failed and --recipe")
    if photo and volumes:
        raise click.UsageError("--photo names its volume; leave out --volume")
    work = _Regenerated(list(volumes), _present_recipe(connection.cluster()) if by_recipe else None)
    if photo:
        photo_version = parse_version_reference(photo)
        connection.run(lambda client: _regenerate_one(client, work, photo_version))
    else:
        connection.run(lambda client: _regenerate_all(client, work))
    click.echo(f"{work.rebuilt} photos will be rebuilt", err=True)
    sys.exit(exit_code_of_all(work.errors, is_some_done=work.rebuilt > 0))


def _present_recipe(cluster: "Cluster") -> str:
    from imageworker.configured_recipe import recipe_of

    return recipe_of(cluster).version


async def _regenerate_all(client: Client, work: _Regenerated) -> None:
    if not work.volumes:
        status = await client.status()
        work.volumes = [volume["number"] for volume in status["volumes"]]
    shards = [(v, s) for v in work.volumes for s in await client.regeneration.shards(v)]
    async with _progress() as progress:
        bar = progress.add_task("shards", total=len(shards))
        for volume, shard in shards:
            for photo_version in await client.regeneration.find(volume, shard, recipe=work.recipe):
                await _regenerate_one(client, work, photo_version)
            progress.advance(bar)


async def _regenerate_one(
    client: Client, work: _Regenerated, photo_version: "PhotoVersion"
) -> None:
    import json

    try:
        new = await client.regeneration.regenerate(photo_version, recipe=work.recipe)
    except GlassplateError as error:
        work.errors.append(error)
        click.echo(f"glassplate: {photo_version} was not rebuilt: {format_error(error)}", err=True)
    else:
        work.rebuilt += 1
        click.echo(json.dumps({"photo": str(photo_version), "regenerated": str(new)}))


@asynccontextmanager
async def _progress() -> "AsyncIterator[Progress]":
    """A bar on stderr with the time left, where somebody watches."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    from glassplate.cli.views.consoles import stderr_console

    console = stderr_console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeLeft())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        yield progress
