"""`glassplate audit`: the audit log, and the verification of its copies."""

import sys

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_FAILED
from glassplate.cli.views.output import (
    Document,
    escape_lines,
    json_option,
    print_json,
    print_parts,
)
from runtime.quantities import quantity

# No cluster has an earlier log.
FIRST_DAY = "2000-01-01"
ENTRIES_SHOWN = 50


class _Day(click.ParamType[str]):
    name = "day"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the day, or fail."""
        from datetime import date

        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            self.fail(f"{value!r} is not a day: write YYYY-MM-DD", param, ctx)


DAY = _Day()


@click.group()
def audit() -> None:
    r"""Show and verify the audit log.

    The log has deletes, revocations, undeletes, acts of operators, refused credentials, and
    uploads: who, what, which photo, with which result. Nodes store it in two colos. Days are in
    UTC.

    \b
    Examples:
      glassplate audit show --photo 3/01jd3x8m2c9qp4k7
      glassplate audit verify
    """


@audit.command()
@click.option("--day", type=DAY, metavar="DAY", help="Only this day.")
@click.option("--since", type=DAY, metavar="DAY", show_default="today", help="First day.")
@click.option("--until", type=DAY, metavar="DAY", show_default="today", help="Last day.")
@click.option("--caller", metavar="ID", help="Only this token, ticket, or application.")
@click.option("--photo", metavar="VOLUME/PHOTO", help="Only this photo, or version of it.")
@click.option("--act", metavar="ACT", help="Only this act, such as delete.")
@click.option("--uploads", is_flag=True, help="Show uploads instead of acts.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=ENTRIES_SHOWN,
    show_default=True,
    help="Most entries.",
)
@json_option
@click.pass_obj
def show(
    connection: Connection,
    *,
    day: str | None,
    since: str | None,
    until: str | None,
    caller: str | None,
    photo: str | None,
    act: str | None,
    uploads: bool,
    limit: int,
    as_json: bool,
) -> None:
    r"""Show entries, the latest first.

    With --photo and no day, the command searches the whole log. The exit status is 1 if a node
    did not send its copy, so that entries may be missing.

    \b
    Examples:
      glassplate audit show
      glassplate audit show --day 2026-01-30 --caller k3v9q2mf
      glassplate audit show --act delete --json | jq '.entries[].target'
    """
    if day is not None and (since or until):
        raise click.UsageError("--day excludes --since and --until")
    if photo and not (day or since):
        since = FIRST_DAY
    document = connection.run(
        lambda client: client.audit(
            since=day or since,
            until=day or until,
            kind="uploads" if uploads else "acts",
            act=act,
            caller=caller,
            photo=photo,
            limit=limit,
        )
    )
    if as_json:
        print_json(document)
    else:
        from glassplate.cli.views.audit_tables import entries_table

        print_parts(entries_table(document["entries"]))
        if not document["is_complete"]:
            click.echo(f"! older entries match as well; show more with --limit {10 * limit}")
    _end(document, as_json=as_json)


@audit.command()
@click.option("--since", type=DAY, metavar="DAY", show_default="all days", help="First day.")
@json_option
@click.pass_obj
def verify(connection: Connection, *, since: str | None, as_json: bool) -> None:
    r"""Verify that no line of the log was removed or changed.

    A storagemaster compares the copies of all nodes with each other, and with the hash in each
    next line. The exit status is 1 if it finds anything, or a node is unreachable.

    \b
    Examples:
      glassplate audit verify
      glassplate audit verify --since 2026-01-01 --json | jq '.findings[].text'
    """
    lines, findings = 0, []
    unreachable: dict[str, str] = {}
    for kind in ("acts", "uploads"):
        found = connection.run(
            lambda client, kind=kind: client.audit(  # type: ignore[misc]  # bound in the loop
                since=since or FIRST_DAY, kind=kind, limit=1, verify=True
            )
        )
        lines += found["lines"]
        findings += found["findings"]
        unreachable |= found["unreachable"]
    document = {"lines": lines, "findings": findings, "unreachable": unreachable}
    if as_json:
        print_json(document)
    else:
        for finding in findings:
            click.echo(f"! {finding['fault']}: {escape_lines(finding['text'])}")
        click.echo(f"{quantity(lines, 'line')} verified, {quantity(len(findings), 'finding')}")
    _end(document, as_json=as_json)


def _end(document: Document, *, as_json: bool) -> None:
    if not as_json:
        for node, reason in document["unreachable"].items():
            click.echo(f"! {node} did not send its copy: {escape_lines(reason)}", err=True)
    is_well = not document["unreachable"] and not document.get("findings")
    sys.exit(0 if is_well else EXIT_FAILED)
