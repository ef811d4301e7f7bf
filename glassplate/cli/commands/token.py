"""`glassplate token`: API tokens, signed with no network."""

from datetime import timedelta

import click

from glassplate.cli.connection import Connection
from glassplate.cli.options.durations import DURATION

SCOPES = ("upload", "read", "delete", "admin")


@click.command()
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(SCOPES),
    help="What the token opens; may be given again.",
)
@click.option("--expires", type=DURATION, help="How long it is good.  [default: for ever]")
@click.pass_obj
def token(connection: Connection, scopes: tuple[str, ...], expires: timedelta | None) -> None:
    r"""Sign an API token.

    Whoever has a token may do what it says, so keep it as a password is kept. No scope implies
    another. It ends when it expires, or when the key that signed it is retired.

    \b
    Examples:
      glassplate token --scope upload
      glassplate token --scope upload --scope read --expires 30d
      export GLASSPLATE_TOKEN=$(glassplate token --scope read --expires 1h)
    """
    click.echo(connection.client().sign_token(scopes, expires=expires))
    if expires is None:
        click.echo("This token is good for ever; --expires 30d makes one that ends.", err=True)
