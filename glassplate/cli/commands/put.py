"""`glassplate put`: upload of photos."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glassplate.cli.connection import Connection
from glassplate.cli.options.parameter_types import VOLUME
from glassplate.cli.views.output import (
    escape_lines,
    escape_unprintable,
    json_option,
    print_json,
    print_parts,
    stdout_console,
)

if TYPE_CHECKING:
    from glassplate.cli.commands.uploading import NotUploaded, Outcome, UploadOptions


@click.command()
@click.argument(
    "paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("-r", "--recursive", is_flag=True, help="Upload the photos in directories.")
@click.option("--volume", type=VOLUME, help="Volume to store the photos in.")
@click.option("--strict", is_flag=True, help="Fail unless both colos store the photo.")
@click.option("--idempotency-key", "key", help="Key that identifies the photo across uploads.")
@click.option("--known", is_flag=True, help="Send no photo that is stored by its digest.")
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
    help="Number of concurrent uploads.",
)
@json_option
@click.pass_obj
def put(
    connection: Connection,
    paths: tuple[Path, ...],
    *,
    recursive: bool,
    volume: int | None,
    strict: bool,
    key: str | None,
    known: bool,
    wait: bool,
    timeout: float,
    jobs: int,
    as_json: bool,
) -> None:
    r"""Upload photos.

    A stored photo is on two disks, normally in two colos. Its receipt has its reference,
    VOLUME/PHOTO/VERSION, which is all that you have to keep. A file that fails does not stop the
    others. A retry after a lost connection never makes a second photo. A single photo is shown
    with the URLs of all sizes, several photos with one URL each.

    A photo of more than 8 MiB continues after a lost connection where it stopped. With --known,
    equal files are one photo, and one that is stored is not sent again.

    With -r, only files with the suffix of a photo are uploaded from directories.

    \b
    Examples:
      glassplate put cat.jpg
      glassplate put -r holiday/ --wait
      glassplate put cat.jpg --strict --volume 7
      glassplate put -r holiday/ --known
      glassplate put *.jpg --json | jq -r '.photos[].reference'
    """
    from glassplate.cli.commands.uploading import NotUploaded, Outcome, UploadOptions
    from glassplate.cli.options.chosen_files import choose_files

    chosen = choose_files(paths, recursive=recursive)
    if key is not None and len(chosen.files) != 1:
        raise click.UsageError(
            f"--idempotency-key identifies one photo: {len(chosen.files)} files were given"
        )
    if known and (key is not None or volume is not None):
        raise click.UsageError(
            "--known has a key and a volume of its own: leave out --idempotency-key and --volume"
        )
    options = UploadOptions(
        volume=volume,
        durability="strict" if strict else None,
        idempotency_key=key,
        known=known,
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
    from glassplate.cli.commands.uploading import Uploaded, outcome_document

    print_json(
        {
            "photos": [outcome_document(o) for o in outcomes if isinstance(o, Uploaded)],
            "failed": [outcome_document(o) for o in outcomes if not isinstance(o, Uploaded)],
            "skipped": [str(path) for path in skipped],
        }
    )


def _print_tables(outcomes: "list[Outcome]") -> None:
    from glassplate.cli.commands.receipt_tables import receipts_table, url_lines
    from glassplate.cli.commands.uploading import Uploaded

    done = [outcome for outcome in outcomes if isinstance(outcome, Uploaded)]
    if done:
        print_parts(receipts_table(done, stdout_console().width))
        for line in url_lines(done):
            click.echo(line)


def _report(outcomes: "list[Outcome]", skipped: int) -> int:
    """Print failures and totals to stderr. Return the exit status."""
    from glassplate.cli.commands.uploading import NotAttempted, Uploaded
    from glassplate.cli.failures import EXIT_FAILED, exit_code_of_all, suggest_fix

    failed = [outcome for outcome in outcomes if not isinstance(outcome, Uploaded)]
    for outcome in failed:
        click.echo(f"glassplate: {escape_lines(_describe_failure(outcome))}", err=True)
    for fix in dict.fromkeys(suggest_fix(outcome.error) for outcome in failed):
        if fix:
            click.echo(fix, err=True)
    without_sizes = [o for o in outcomes if isinstance(o, Uploaded) and o.sizes_error]
    for uploaded in without_sizes:
        name = escape_unprintable(uploaded.path)
        click.echo(f"glassplate: {name} is stored, but {uploaded.sizes_error}", err=True)
    if failed or skipped or len(outcomes) > 1:
        done = len(outcomes) - len(failed)
        click.echo(_summary(done=done, failed=len(failed), skipped=skipped), err=True)
    attempted = [o.error for o in failed if not isinstance(o.error, NotAttempted)]
    if attempted:
        return exit_code_of_all(attempted, is_some_done=len(failed) < len(outcomes))
    return EXIT_FAILED if failed or without_sizes else 0


def _describe_failure(outcome: "NotUploaded") -> str:
    from glassplate.cli.failures import describe_error, idempotency_hint
    from glassplate.errors import UnusableSource

    # Their messages contain the file name.
    if isinstance(outcome.error, UnusableSource):
        return str(outcome.error)
    hint = idempotency_hint(outcome.error)
    description = f"{outcome.path} was not uploaded: {describe_error(outcome.error)}"
    return f"{description}\n{hint}" if hint else description


def _summary(*, done: int, failed: int, skipped: int) -> str:
    parts = [f"{done} uploaded"]
    if failed:
        parts.append(f"{failed} failed")
    if skipped:
        parts.append(f"{skipped} skipped (not a photo by its name)")
    return ", ".join(parts)
