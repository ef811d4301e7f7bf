"""`glassplate token`: API tokens of applications."""

from datetime import timedelta
from typing import Any

import click

from glassplate.cli.connection import Connection
from glassplate.cli.options.parameter_types import DURATION, VOLUME_RANGES

SCOPES = ("upload", "read", "original", "delete", "admin", "status", "audit")
NEVER = "never"
DEFAULT_LIFETIME = "30d"


class LifetimeType(click.ParamType[timedelta | None]):
    """A duration, or `never`, which is None."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta | None:
        """Parse a lifetime."""
        return None if value in {None, NEVER} else DURATION.convert(value, param, ctx)


@click.group()
def token() -> None:
    r"""Create API tokens of applications.

    Keep a token as secret as a password. No scope implies another:

    \b
      upload     upload photos
      read       state of photos, URLs of their sizes, and events
      original   URLs of originals, where read gives URLs of sizes
      delete     delete, undelete, and revoke photos
      admin      repair, regenerate, move, find, and explain photos
      status     state of the cluster, metrics, and scrubs
      audit      the log of deletes and of operators

    A token ends when it expires, or when the key that signed it is retired.

    \b
    Examples:
      glassplate token create --scope upload --scope read
      glassplate token create --application shop --scope upload --expires 1h
    """


@token.command()
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(SCOPES),
    help="Scope of the token. Repeatable.",
)
@click.option(
    "--application",
    default="default",
    show_default=True,
    help="Application that the token and its Idempotency-Keys belong to.",
)
@click.option("--volumes", type=VOLUME_RANGES, help='Volumes that it opens, as in "1-8,12".')
@click.option(
    "--expires",
    type=LifetimeType(),
    default=DEFAULT_LIFETIME,
    show_default=True,
    help=f"Lifetime of the token, or {NEVER}.",
)
@click.pass_obj
def create(
    connection: Connection,
    scopes: tuple[str, ...],
    application: str,
    volumes: tuple[tuple[int, int], ...] | None,
    expires: timedelta | None,
) -> None:
    r"""Sign an API token, and print it.

    No network is needed. The token is for one application, which its Idempotency-Keys belong to.

    \b
    Examples:
      glassplate token create --scope upload
      glassplate token create --application shop --scope upload --volumes 1-8
      TOKEN=$(glassplate token create --scope status --expires 1h)
    """
    text = connection.client().sign_token(
        scopes, expires=expires, application=application, volumes=volumes
    )
    click.echo(text)
    if expires is None:
        click.echo(
            f"This token never expires. Use --expires {DEFAULT_LIFETIME} for one that does.",
            err=True,
        )
