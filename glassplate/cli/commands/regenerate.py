"""`glassplate regenerate`: regeneration of the sizes of photos."""

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import exit_code_of_all, format_error
from glassplate.cli.options.parameter_types import VOLUME
from glassplate.cli.options.volume_arguments import chosen_or_all
from glassplate.cli.views.output import print_json
from glassplate.client import Client
from glassplate.errors import GlassplateError
from glassplate.urls.references import parse_version_reference

if TYPE_CHECKING:
    from volumes.cluster import Cluster
    from volumes.photo_path import PhotoVersion


@dataclass(slots=True)
class _Regenerated:
    """Photos to regenerate, and the results."""

    volumes: tuple[int, ...]
    recipe: str | None
    count: int = 0
    errors: list[GlassplateError] = field(default_factory=list)


@click.command()
@click.option("--volume", "volumes", type=VOLUME, multiple=True, help="Volume. Repeatable.")
@click.option("--photo", metavar="VOLUME/PHOTO/VERSION", help="Photo, in place of volumes.")
@click.option("--failed", is_flag=True, help="Regenerate photos without sizes.")
@click.option("--recipe", "by_recipe", is_flag=True, help="Regenerate photos of other recipes.")
@click.pass_obj
def regenerate(
    connection: Connection,
    *,
    volumes: tuple[int, ...],
    photo: str | None,
    failed: bool,
    by_recipe: bool,
) -> None:
    r"""Regenerate sizes of photos.

    --failed enqueues photos whose sizes failed or are missing. --recipe makes a new version, with
    new URLs, of every photo whose sizes were not made with the config's recipe. The old version
    stays until you delete it. Each photo is a line of JSON: `photo` is its reference, and
    `regenerated` the reference that will have the sizes.

    Workers do this after all other jobs. It is safe to repeat.

    \b
    Examples:
      glassplate regenerate --failed
      glassplate regenerate --failed --photo 3/01jd3x8m2c9qp4k7/3fz8qd
      glassplate regenerate --recipe --volume 3 > regenerated.jsonl
    """
    if failed == by_recipe:
        raise click.UsageError("use either --failed or --recipe")
    if photo and volumes:
        raise click.UsageError("--photo contains the volume; omit --volume")
    work = _Regenerated(volumes, _current_recipe(connection.cluster()) if by_recipe else None)
    if photo:
        photo_version = parse_version_reference(photo)
        connection.run(lambda client: _regenerate_one(client, work, photo_version))
    else:
        connection.run(lambda client: _regenerate_all(client, work))
    click.echo(f"Photos to be regenerated: {work.count}", err=True)
    sys.exit(exit_code_of_all(work.errors, is_some_done=work.count > 0))


def _current_recipe(cluster: "Cluster") -> str:
    from imageworker.configured_recipe import recipe_of

    return recipe_of(cluster).version


async def _regenerate_all(client: Client, work: _Regenerated) -> None:
    from glassplate.cli.views.progress import CountProgress

    volumes = await chosen_or_all(client, work.volumes)
    shards = [(v, s) for v in volumes for s in await client.regeneration.shards(v)]
    with CountProgress("shards", len(shards)) as progress:
        for volume, shard in shards:
            for photo_version in await client.regeneration.find(volume, shard, recipe=work.recipe):
                await _regenerate_one(client, work, photo_version)
            progress.end()


async def _regenerate_one(
    client: Client, work: _Regenerated, photo_version: "PhotoVersion"
) -> None:
    try:
        new = await client.regeneration.regenerate(photo_version, recipe=work.recipe)
    except GlassplateError as error:
        work.errors.append(error)
        click.echo(
            f"glassplate: {photo_version} was not regenerated: {format_error(error)}", err=True
        )
    else:
        work.count += 1
        print_json({"photo": str(photo_version), "regenerated": str(new)}, is_line=True)
