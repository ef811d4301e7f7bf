"""`glassplate export`: originals and infos as files, in as many runs as it needs."""

import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_FAILED, describe_error, exit_code_of_all
from glassplate.cli.options.parameter_types import VOLUME
from glassplate.cli.views.output import error_document, escape_lines, json_option, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from glassplate.client import Client
    from glassplate.transfer.exporting import ExportResult


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--volume", "volumes", type=VOLUME, multiple=True, help="Volume. Repeatable.")
@click.option(
    "--references",
    "lines",
    type=click.File(),
    help="File of references, or a journal of an import; - for stdin.",
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Number of concurrent downloads.",
)
@json_option
@click.pass_obj
def export(
    connection: Connection,
    folder: Path,
    *,
    volumes: tuple[int, ...],
    lines: IO[str] | None,
    jobs: int,
    as_json: bool,
) -> None:
    r"""Export originals and infos of photos to files.

    Each photo becomes PHOTO_VERSION.jpg, or the suffix of its format, and PHOTO_VERSION.json. The
    bytes are checked against the cluster's digest. Another run verifies the files, skips photos
    that are complete, and replaces the others. The token needs scopes read and original.

    \b
    Examples:
      glassplate export --volume 3 /backup/3 -j 8
      glassplate export --references import-1f2e3d4c5b6a7988.jsonl /backup
      glassplate list | glassplate export --references - /backup
    """
    if bool(volumes) == (lines is not None):
        raise click.UsageError("name the photos: either --volume N or --references FILE")
    named = references_in(lines) if lines is not None else []

    async def run(client: "Client") -> "tuple[ExportResult, Sequence[str]]":
        from glassplate.cli.views.progress import CountProgress
        from glassplate.transfer.exporting import export_all

        unreachable: dict[str, None] = {}
        for volume in dict.fromkeys(volumes):
            async for page in client.pages(volume):
                named.extend(page.photos)
                unreachable.update(dict.fromkeys(page.unreachable))
        with CountProgress("photos", len(named)) as progress:
            result = await export_all(client, named, folder, progress, concurrency=jobs)
        return result, list(unreachable)

    result, unreachable = connection.run(run)
    if as_json:
        print_json(
            {
                "exported": result.exported,
                "present": result.present,
                "not_attempted": result.not_attempted,
                "failed": [{"reference": r, **error_document(e)} for r, e in result.failed.items()],
                "unreachable": unreachable,
            }
        )
    sys.exit(_report(result, unreachable))


def references_in(lines: "Iterable[str]") -> list[str]:
    """Return the references of a list, of `list --json`, or of a journal, each once.

    >>> references_in(["3/01jd3x8m2c9qp4k7/3fz8qd", '{"path": "a.jpg", "reason": "empty"}'])
    ['3/01jd3x8m2c9qp4k7/3fz8qd']
    """
    from glassplate.errors import BadReference
    from glassplate.urls.references import parse_version_reference
    from volumes.json_text import parse_json

    found: dict[str, None] = {}
    for text in filter(None, map(str.strip, lines)):
        reference = text
        if text.startswith("{"):
            try:
                reference = parse_json(text).get("reference", "")
            except ValueError as error:
                raise BadReference(f"{text!r} is not a line of JSON: {error}") from error
        if reference:
            found[str(parse_version_reference(reference))] = None
    return list(found)


def _report(result: "ExportResult", unreachable: "Sequence[str]") -> int:
    """Print failures and totals to stderr. Return the exit status."""
    for reference, error in result.failed.items():
        described = f"{reference} was not exported: {describe_error(error)}"
        click.echo(f"glassplate: {escape_lines(described)}", err=True)
    for node in unreachable:
        click.echo(f"glassplate: {node} is unreachable: photos may be missing", err=True)
    counts = {
        "exported": result.exported,
        "already there": result.present,
        "failed": len(result.failed),
        "not attempted": result.not_attempted,
    }
    shown = [f"{count} {what}" for what, count in counts.items() if count]
    click.echo(", ".join(shown) or "no photos found", err=True)
    if result.not_attempted:
        click.echo("Run the same command again to continue.", err=True)
    is_some_done = bool(result.exported or result.present)
    status = exit_code_of_all(list(result.failed.values()), is_some_done=is_some_done)
    return status or (EXIT_FAILED if unreachable or result.not_attempted else 0)
