"""`glassplate import`: a directory or a bucket of photos, in as many runs as it needs."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import (
    EXIT_FAILED,
    describe_error,
    exit_code_of_all,
    suggest_fix,
)
from glassplate.cli.views.output import error_document, escape_lines, json_option, print_json
from volumes.bucket_location import S3_SCHEME

if TYPE_CHECKING:
    from glassplate.client import Client
    from glassplate.errors import GlassplateError
    from glassplate.transfer.import_sources import ImportSource
    from glassplate.transfer.importing import ImportPlan, ImportResult
    from glassplate.transfer.journal import SourceFile


@click.command(name="import")
@click.argument("source", metavar="DIR|s3://BUCKET/PREFIX")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Number of concurrent uploads.",
)
@click.option(
    "--journal",
    "journal_path",
    type=click.Path(path_type=Path, dir_okay=False),
    show_default="import-DIGEST.jsonl, by source and cluster",
    help="File with the result of each photo.",
)
@click.option("--dry-run", is_flag=True, help="Report what would be imported.")
@json_option
@click.pass_obj
def import_(
    connection: Connection,
    source: str,
    *,
    jobs: int,
    journal_path: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    r"""Import the photos of a directory or bucket.

    Each photo is stored once: equal files are one photo, and another run makes no second one. The
    journal has a line of JSON for each attempt: path, bytes, mtime, SHA-256, and the reference or
    the reason of the failure. Run the same command again to continue, or to try failed files
    again. Files with the suffix of a photo are imported. The token needs scopes upload and read.

    \b
    Examples:
      glassplate import /srv/photos -j 8
      glassplate import s3://old-photos/2019 --journal 2019.jsonl
      glassplate import /srv/photos --dry-run
    """
    from glassplate.transfer.journal import journal_name

    given = source if source.startswith(S3_SCHEME) else str(Path(source).resolve())
    cluster = connection.urls or [str(connection.cluster_path.resolve())]
    job = _Job(given, journal_path or Path(journal_name(given, cluster)), jobs, as_json=as_json)
    chosen = _choose(given)
    work = job.dry_run if dry_run else job.run
    sys.exit(connection.run(lambda client: work(client, chosen)))


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The photos of a source, and what cannot be imported."""

    source: "ImportSource"
    files: "Sequence[SourceFile]"
    refused: "Sequence[tuple[str, GlassplateError]]"
    skipped: int


def _choose(source: str) -> _Chosen:
    from glassplate.cli.options.chosen_files import choose_files
    from glassplate.errors import UnusableSource
    from glassplate.transfer.import_sources import DirectorySource, S3Source

    if source.startswith(S3_SCHEME):
        bucket = S3Source(source)
        return _Chosen(bucket, list(bucket.files()), (), len(bucket.skipped))
    root = Path(source)
    if not root.is_dir():
        raise UnusableSource(
            f"{root} is not a directory; upload single files with `glassplate put`"
        )
    chosen = choose_files([root], recursive=True)
    directory = DirectorySource(root, chosen.files)
    refused = [(str(path), error) for path, error in chosen.refused]
    return _Chosen(directory, list(directory.files()), refused, len(chosen.skipped))


@dataclass(frozen=True, slots=True)
class _Job:
    source: str
    journal: Path
    jobs: int
    as_json: bool

    async def dry_run(self, client: "Client", chosen: _Chosen) -> int:
        from glassplate.transfer.importing import ImportResult, plan_import
        from glassplate.transfer.journal import read_journal

        plan = await plan_import(client, chosen.files, read_journal(self.journal))
        if not self.as_json:
            for file in plan.missing:
                click.echo(escape_lines(file.path))
        return self._report(chosen, plan, ImportResult(not_attempted=len(plan.missing)))

    async def run(self, client: "Client", chosen: _Chosen) -> int:
        from glassplate.cli.views.progress import ImportProgress
        from glassplate.transfer.importing import import_all, plan_import
        from glassplate.transfer.journal import Journal

        with Journal(self.journal) as journal:
            plan = await plan_import(client, chosen.files, journal.entries)
            with ImportProgress(len(plan.missing), plan.bytes_total) as progress:
                result = await import_all(
                    client, chosen.source, plan.missing, journal, progress, concurrency=self.jobs
                )
        status = self._report(chosen, plan, result)
        if result.is_interrupted or result.not_attempted:
            click.echo("Run the same command again to continue.", err=True)
            return status or EXIT_FAILED
        return status

    def _report(self, chosen: _Chosen, plan: "ImportPlan", result: "ImportResult") -> int:
        """Print the result. Return the exit status."""
        present = plan.present + result.present
        failed = {**dict(chosen.refused), **result.failed}
        if self.as_json:
            print_json(
                {
                    "imported": result.imported,
                    "present": present,
                    "not_attempted": result.not_attempted,
                    "skipped": chosen.skipped,
                    "bytes": plan.bytes_total,
                    "failed": [{"file": p, **error_document(e)} for p, e in failed.items()],
                    "journal": str(self.journal),
                }
            )
        for path, error in failed.items():
            described = escape_lines(f"{path} was not imported: {describe_error(error)}")
            click.echo(f"glassplate: {described}", err=True)
        for fix in dict.fromkeys(map(suggest_fix, failed.values())):
            if fix:
                click.echo(fix, err=True)
        counts = {
            "imported": result.imported,
            "already there": present,
            "failed": len(failed),
            "not attempted": result.not_attempted,
            "skipped (not a photo by its name)": chosen.skipped,
        }
        shown = [f"{count} {what}" for what, count in counts.items() if count]
        click.echo(", ".join(shown) or "no photos found", err=True)
        if result.imported or result.present or result.failed:
            click.echo(f"References and reasons are in {self.journal}.", err=True)
        is_some_done = bool(result.imported or present)
        return exit_code_of_all(list(failed.values()), is_some_done=is_some_done)
