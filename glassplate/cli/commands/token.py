"""`glassplate token`: API tokens of applications."""

import time
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import WrongUsage
from glassplate.cli.options.parameter_types import BYTES, LIFETIME, NEVER, VOLUME_RANGES
from glassplate.cli.views.output import json_option, print_json
from glassplate.errors import UsageError
from glassplate.session.new_tokens import new_token
from permission_urls import (
    NO_EXPIRY,
    Keys,
    TokenLimits,
    TokenRecord,
    add_token,
    is_token_id,
    load_keys,
    load_tokens,
    save_tokens,
    sign_token,
)
from permission_urls.expiry import is_expired
from permission_urls.files.file_lock import locked

SCOPES = ("upload", "read", "original", "delete", "admin", "status", "audit")
DEFAULT_LIFETIME = "30d"


@click.group()
def token() -> None:
    r"""Create, list, and revoke API tokens.

    Keep a token as secret as a password. No scope implies another:

    \b
      upload     upload photos
      read       state of photos, URLs of their sizes, and events
      original   URLs of originals, where read gives URLs of sizes
      delete     delete, undelete, and revoke photos
      admin      repair, regenerate, move, find, and explain photos
      status     state of the cluster, metrics, and scrubs
      audit      the log of deletes and of operators

    A token ends when it expires, when it is revoked, or when the key that signed it is retired.

    \b
    Examples:
      glassplate token create --scope upload --scope read
      glassplate token create --application shop --scope upload --expires 1h
      glassplate token revoke k3v9q2mf
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
    "--uploads-per-minute",
    type=click.IntRange(min=1),
    help="Limit of its uploads at each storagemaster.",
)
@click.option(
    "--bytes-per-day", type=BYTES, help="Limit of its uploaded bytes at each storagemaster."
)
@click.option(
    "--expires",
    type=LIFETIME,
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
    uploads_per_minute: int | None,
    bytes_per_day: int | None,
    expires: timedelta | None,
) -> None:
    r"""Sign an API token, and print it.

    No network is needed. The token's id is recorded in tokens.toml beside the key file.

    \b
    Examples:
      glassplate token create --scope upload
      glassplate token create --application shop --scope upload --volumes 1-8
      glassplate token create --scope upload --bytes-per-day 20G
      TOKEN=$(glassplate token create --scope status --expires 1h)
    """
    keys, path = _files(connection)
    try:
        limits = TokenLimits(uploads_per_minute=uploads_per_minute, bytes_per_day=bytes_per_day)
        token = new_token(
            scopes, expires=expires, application=application, volumes=volumes, limits=limits
        )
        text = sign_token(keys, token)
    except UsageError as error:
        raise WrongUsage(str(error)) from error
    add_token(path, token, now_seconds=time.time())
    click.echo(text)
    click.echo(f"Token {token.id} of application {application}. {_end(token.expiry)}", err=True)


@token.command("list")
@click.option("--application", help="Only tokens of this application.")
@json_option
@click.pass_obj
def list_tokens(connection: Connection, *, application: str | None, as_json: bool) -> None:
    r"""List the tokens that were created or revoked here.

    The list is the file tokens.toml beside the key file. It has no token, only their ids.

    \b
    Examples:
      glassplate token list
      glassplate token list --application shop --json
    """
    now = time.time()
    listed = [
        record
        for record in load_tokens(_files(connection)[1]).values()
        if application in {None, record.application} and not is_expired(record.expiry, now)
    ]
    if as_json:
        print_json([asdict(record) for record in listed])
        return
    for record in listed:
        state = "revoked" if record.revoked else _end(record.expiry)
        scopes = ",".join(record.scopes) or "-"
        click.echo(f"{record.id}  {record.application or '-':<20}  {scopes}  {state}")


@token.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def revoke(connection: Connection, ids: tuple[str, ...]) -> None:
    r"""Refuse tokens from now on, by their ids.

    Every storagemaster that has the file tokens.toml beside its key file refuses them within two
    seconds, also for uploads and event streams that they began. Copy the file to the other
    machines. Photo URLs stay valid: see `glassplate revoke`. A revocation is permanent.

    \b
    Example:
      glassplate token revoke k3v9q2mf
    """
    for id_ in ids:
        if not is_token_id(id_):
            raise WrongUsage(
                f"{id_!r} is not the id of a token; `glassplate token list` shows the ids"
            )
    _, path = _files(connection)
    with locked(path):
        records = load_tokens(path)
        for id_ in ids:
            records[id_] = replace(records.get(id_) or TokenRecord(id=id_), revoked=True)
        save_tokens(path, records.values(), now_seconds=time.time())
    click.echo(f"Revoked {', '.join(ids)} in {path}")


def _files(connection: Connection) -> tuple[Keys, Path]:
    """Return the keys, and the path of the token file."""
    cluster = connection.cluster()
    return load_keys(Path(cluster.keys_file)), Path(cluster.tokens_file)


def _end(expiry: int) -> str:
    if expiry == NO_EXPIRY:
        return f"It never expires; use --expires {DEFAULT_LIFETIME} for one that does."
    return f"It expires {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(expiry))}."
