"""`glassplate put`: uploading photos."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glassplate.cli.connection import Connection

if TYPE_CHECKING:
    from glassplate.cli.commands.uploading import NotUploaded, Outcome, UploadOptions


@click.command()
@click.argument(
    "paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("-r", "--recursive", is_flag=True, help="Upload the photos in directories too.")
@click.option("--volume", type=click.IntRange(1, 65535), help="The volume to put them in.")
@click.option("--strict", is_flag=True, help="Two colos or nothing: refuse a degraded upload.")
@click.option(
    "--idempotency-key", "key", help="An Idempotency-Key: all uploads with one key are one photo."
)
@click.option("--wait", is_flag=True, help="Wait until all sizes are made.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=120,
    show_default=True,
    help="Seconds to wait for the sizes of a photo, with --wait.",
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="How many to upload at once.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the receipts as JSON.")
@click.pass_obj
def put(
    connection: Connection,
    paths: tuple[Path, ...],
    *,
    recursive: bool,
    volume: int | None,
    strict: bool,
    key: str | None,
    wait: bool,
    timeout: float,
    jobs: int,
    as_json: bool,
) -> None:
    r"""Upload photos.

    Each photo that is done is on two disks, normally in two colos, and has a receipt: its
    reference, VOLUME/PHOTO/VERSION, is all that has to be remembered. A file that fails stops no
    other, and makes the exit status 1. Trying again after a lost connection never makes a second
    photo. Of one photo, the URL of every size is printed; of many, one each.

    In directories, files that are called photos are uploaded, and the others counted.

    \b
    Examples:
      glassplate put cat.jpg
      glassplate put -r holiday/ --wait
      glassplate put cat.jpg --strict --volume 7
      glassplate put *.jpg --json | jq -r '.photos[].reference'
    """
    from glassplate.cli.commands.uploading import NotUploaded, Outcome, UploadOptions
    from glassplate.cli.options.chosen_files import choose_files

    chosen = choose_files(paths, recursive=recursive)
    if key is not None and len(chosen.files) != 1:
        raise click.UsageError(f"--key names one photo, and there are {len(chosen.files)} files")
    options = UploadOptions(
        volume=volume,
        durability="strict" if strict else None,
        idempotency_key=key,
        wait_seconds=timeout if wait else None,
        concurrency=jobs,
    )
    outcomes: list[Outcome] = [NotUploaded(path, error) for path, error in chosen.refused]
    outcomes += _upload(connection, chosen.files, options)
    if as_json:
        _print_json(outcomes, chosen.skipped)
    else:
        _print_tables(outcomes)
    sys.exit(_report(outcomes, len(chosen.skipped)))


def _upload(
    connection: Connection, files: tuple[Path, ...], options: "UploadOptions"
) -> "list[Outcome]":
    from glassplate.cli.commands.uploading import upload_all
    from glassplate.cli.views.progress import TransferProgress

    bytes_total = sum(path.stat().st_size for path in files if path.is_file())
    with TransferProgress(bytes_total, transfers=len(files)) as progress:
        return connection.run(lambda client: upload_all(client, files, options, progress))


def _print_json(outcomes: "list[Outcome]", skipped: tuple[Path, ...]) -> None:
    import json

    from glassplate.cli.commands.uploading import Uploaded, outcome_document

    document = {
        "photos": [outcome_document(o) for o in outcomes if isinstance(o, Uploaded)],
        "failed": [outcome_document(o) for o in outcomes if not isinstance(o, Uploaded)],
        "skipped": [str(path) for path in skipped],
    }
    click.echo(json.dumps(document, indent=2))


def _print_tables(outcomes: "list[Outcome]") -> None:
    from glassplate.cli.commands.receipt_tables import receipts_table, url_lines
    from glassplate.cli.commands.uploading import Uploaded
    from glassplate.cli.views.consoles import stdout_console

    done = [outcome for outcome in outcomes if isinstance(outcome, Uploaded)]
    if done:
        stdout_console().print(receipts_table(done))
        for line in url_lines([uploaded.receipt for uploaded in done]):
            click.echo(line)


def _report(outcomes: "list[Outcome]", skipped: int) -> int:
    """Say on stderr what was not done, and in all; the exit status."""
    from glassplate.cli.commands.uploading import NotAttempted, Uploaded
    from glassplate.cli.failures import EXIT_NOT_DONE, exit_code_of_all, suggest_fix

    failed = [outcome for outcome in outcomes if not isinstance(outcome, Uploaded)]
    for outcome in failed:
        click.echo(f"glassplate: {_why_not(outcome)}", err=True)
    for todo in dict.fromkeys(suggest_fix(outcome.error) for outcome in failed):
        if todo:
            click.echo(todo, err=True)
    troubled = [o for o in outcomes if isinstance(o, Uploaded) and o.sizes_error]
    for uploaded in troubled:
        click.echo(f"glassplate: {uploaded.path} is kept, but {uploaded.sizes_error}", err=True)
    if failed or skipped or len(outcomes) > 1:
        done = len(outcomes) - len(failed)
        click.echo(_summary(done=done, failed=len(failed), skipped=skipped), err=True)
    tried = [o.error for o in failed if not isinstance(o.error, NotAttempted)]
    if tried:
        return exit_code_of_all(tried, is_some_done=len(failed) < len(outcomes))
    return EXIT_NOT_DONE if failed or troubled else 0


def _why_not(outcome: "NotUploaded") -> str:
    from glassplate.cli.failures import describe_error, key_hint
    from glassplate.errors import UnusableSource

    # These name the file themselves.
    if isinstance(outcome.error, UnusableSource):
        return str(outcome.error)
    hint = key_hint(outcome.error)
    words = f"{outcome.path} was not uploaded: {describe_error(outcome.error)}"
    return f"{words}\n{hint}" if hint else words


def _summary(*, done: int, failed: int, skipped: int) -> str:
    parts = [f"{done} uploaded"]
    if failed:
        parts.append(f"{failed} not uploaded")
    if skipped:
        parts.append(f"{skipped} passed over, not called photos")
    return ", ".join(parts)
