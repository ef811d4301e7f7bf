"""`glassplate token`: API tokens, signed without a network."""

from datetime import timedelta

import click

from glassplate.cli.connection import Connection
from glassplate.cli.options.parameter_types import DURATION

SCOPES = ("upload", "read", "delete", "admin")


@click.command()
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(SCOPES),
    help="Scope of the token. Repeatable.",
)
@click.option("--expires", type=DURATION, show_default="never", help="Lifetime of the token.")
@click.pass_obj
def token(connection: Connection, scopes: tuple[str, ...], expires: timedelta | None) -> None:
    r"""Sign an API token.

    Keep a token as secret as a password. No scope implies another. A token ends when it expires,
    or when the key that signed it is retired.

    \b
    Examples:
      glassplate token --scope upload
      glassplate token --scope upload --scope read --expires 30d
      export GLASSPLATE_TOKEN=$(glassplate token --scope read --expires 1h)
    """
    click.echo(connection.client().sign_token(scopes, expires=expires))
    if expires is None:
        click.echo("This token never expires. Use --expires 30d for one that does.", err=True)
