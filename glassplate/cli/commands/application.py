"""`glassplate application`: programs that use the cluster, and the file that each of them gets."""

import contextlib
import io
import json
import os
import stat
import sys
import time
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from glassplate.cli.commands.token import DEFAULT_LIFETIME, SCOPES
from glassplate.cli.config_changes import append_application
from glassplate.cli.connection import Connection
from glassplate.cli.failures import WrongUsage
from glassplate.cli.options.parameter_types import BYTES, LIFETIME, NEVER, VOLUME_RANGES
from glassplate.cli.options.read_key_limits import (
    longest_option,
    only_option,
    parse_restriction,
    signing_read_key,
)
from glassplate.cli.views.output import json_option, print_json
from glassplate.session.application_file import (
    ApplicationFile,
    document_of,
    render_application,
)
from glassplate.session.new_tokens import new_token
from permission_urls import (
    DEFAULT_APPLICATION,
    UNRESTRICTED,
    DerivedKey,
    Keys,
    Purpose,
    Restriction,
    Token,
    add_token,
    application_keys,
    load_keys,
    load_tokens,
    restricted_key,
    sign_token,
    ticket_key_of,
)
from permission_urls.expiry import is_expired
from volumes.cluster import Application, Cluster
from volumes.volume_ranges import render_volume_ranges

DEFAULT_SCOPES = ("upload", "read", "original", "delete")
# With these, storagemasters give it URLs of every size that never end.
URL_SCOPES = ("read", "original")


@click.group()
def application() -> None:
    r"""Add, list, and export applications.

    An application is a program that uses the cluster. It gets a file with the addresses, the
    sizes, and credentials of its own, and no key of the cluster.

    \b
    Examples:
      glassplate application add shop --origin https://shop.example
      glassplate application list
      glassplate application export shop > shop.toml
    """


@application.command()
@click.argument("name")
@click.option(
    "--volumes", type=VOLUME_RANGES, metavar="RANGES", help="Volumes that it may use, as in 1-8,12."
)
@click.option("--bytes-max", type=BYTES, metavar="BYTES", help="Longest photo, as in 20M.")
@click.option("--format", "formats", multiple=True, help="Accepted format, as in jpg. Repeatable.")
@click.option(
    "--origin",
    "origins",
    multiple=True,
    metavar="URL",
    help="Web site whose pages may upload, as in https://shop.example. Repeatable.",
)
@click.option(
    "--webhook-url",
    "webhook_urls",
    multiple=True,
    metavar="URL",
    help="Receiver of the events of its volumes. Repeatable.",
)
@click.option(
    "--uploads-per-minute",
    type=click.IntRange(min=1),
    metavar="NUMBER",
    help="Limit of all its tokens and tickets at each storagemaster.",
)
@click.pass_obj
def add(
    connection: Connection,
    *,
    name: str,
    volumes: tuple[tuple[int, int], ...] | None,
    bytes_max: int | None,
    formats: tuple[str, ...],
    origins: tuple[str, ...],
    webhook_urls: tuple[str, ...],
    uploads_per_minute: int | None,
) -> None:
    r"""Add an application to the config.

    The table [applications.NAME] is appended to cluster.toml, if the config is valid with it. It
    restricts all tokens and tickets of the application.

    \b
    Examples:
      glassplate application add shop --origin https://shop.example
      glassplate application add phone --volumes 1-8 --format jpg --format heic
      glassplate application add blog --webhook-url https://blog.example/photos
    """
    cluster = connection.cluster()
    added = Application(
        name=name,
        volumes=volumes,
        upload_bytes_max=bytes_max,
        formats=formats or None,
        origins=origins,
        webhook_urls=webhook_urls,
        uploads_per_minute=uploads_per_minute,
    )
    append_application(connection.cluster_path, added)
    click.echo(f"Added application {name} to {connection.cluster_path}")
    masters = ", ".join(cluster.masters)
    click.echo(f"Deploy the file, and restart the storagemasters: {masters}", err=True)


@application.command("list")
@json_option
@click.pass_obj
def list_applications(connection: Connection, *, as_json: bool) -> None:
    r"""List applications, their limits, and their valid tokens.

    \b
    Examples:
      glassplate application list
      glassplate application list --json
    """
    cluster = connection.cluster()
    tokens = _tokens_by_application(Path(cluster.tokens_file))
    if as_json:
        applications = cluster.applications.values()
        print_json([{**asdict(each), "tokens": tokens.get(each.name, [])} for each in applications])
        return
    for each in cluster.applications.values():
        click.echo(f"{each.name:<20}  {_describe(each)}")
        if tokens.get(each.name):
            click.echo(f"{'':<20}  tokens {', '.join(tokens[each.name])}")


@application.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    metavar="SCOPE",
    show_default=f"{', '.join(DEFAULT_SCOPES)}; upload, delete with --only or --longest",
    help="Scope of its token. Repeatable.",
)
@click.option(
    "--expires",
    type=LIFETIME,
    default=DEFAULT_LIFETIME,
    show_default=True,
    help=f"Lifetime of its token, or {NEVER}.",
)
@only_option
@longest_option
@click.option("--no-read-key", is_flag=True, help="Leave out the key that signs URLs.")
@click.option(
    "--upload-url",
    "uploads",
    multiple=True,
    metavar="URL",
    help="Address that browsers upload to; by default that of each ingest. Repeatable.",
)
@json_option
@click.pass_obj
def export(
    connection: Connection,
    *,
    name: str,
    scopes: tuple[str, ...],
    expires: timedelta | None,
    no_read_key: bool,
    size_classes: tuple[str, ...],
    longest: timedelta | None,
    uploads: tuple[str, ...],
    as_json: bool,
) -> None:
    r"""Write the file of an application to stdout.

    It has addresses, sizes, a new token, and the application's keys: for URLs, upload tickets, and
    webhooks. It has no key of the cluster. A file that stdout is redirected to gets mode 0600.

    With the key for URLs, the application signs URLs of any photo and size whose reference it
    knows; with --only and --longest, only of some size classes, or that end soon. Its token then
    gets no other URLs from storagemasters either. With --no-read-key, it gets URLs from
    storagemasters, as far as its token permits.

    \b
    Examples:
      glassplate application export shop > shop.toml
      glassplate application export blog --only web --longest 7d > blog.toml
      glassplate application export phone --no-read-key --scope upload
      glassplate --url https://upload.example application export shop --json
    """
    cluster = connection.cluster()
    if name not in cluster.applications:
        known = ", ".join(cluster.applications) or "none"
        raise WrongUsage(
            f"unknown application {name!r}; known applications: {known}\n"
            f"Add it with `glassplate application add {name}`."
        )
    keys = load_keys(Path(cluster.keys_file))
    restriction = parse_restriction(size_classes, longest)
    if no_read_key and restriction != UNRESTRICTED:
        raise WrongUsage(
            "--no-read-key leaves nothing to restrict; omit it, or --only and --longest"
        )
    scopes = _scopes(scopes, restriction)
    read_key = None if no_read_key else restricted_key(signing_read_key(keys), restriction)
    token = new_token(scopes, expires=expires, application=name)
    file = _file_of(
        cluster,
        keys,
        token,
        masters=connection.urls,
        uploads=uploads,
        read_key=read_key,
    )
    add_token(Path(cluster.tokens_file), token, now_seconds=time.time())
    _keep_from_others()
    if as_json:
        click.echo(json.dumps(document_of(file), indent=2))
    else:
        click.echo(render_application(file), nl=False)
    click.echo(f"Token {token.id} of application {name} is recorded in tokens.toml.", err=True)


def _scopes(chosen: tuple[str, ...], restriction: Restriction) -> tuple[str, ...]:
    """Return the scopes of a token, which permit no URLs that the key for URLs cannot sign."""
    if restriction == UNRESTRICTED:
        return chosen or DEFAULT_SCOPES
    wider = ", ".join(scope for scope in chosen if scope in URL_SCOPES)
    if wider:
        raise WrongUsage(
            f"--scope {wider} permits URLs of storagemasters that --only and --longest exclude; "
            "omit one or the other"
        )
    return chosen or tuple(scope for scope in DEFAULT_SCOPES if scope not in URL_SCOPES)


def _file_of(
    cluster: Cluster,
    keys: Keys,
    token: Token,
    *,
    masters: tuple[str, ...],
    uploads: tuple[str, ...],
    read_key: DerivedKey | None,
) -> ApplicationFile:
    own_masters = (f"http://{master.address}" for master in cluster.masters.values())
    own_uploads = (f"http://{ingest.listen}" for ingest in cluster.ingests.values())
    edges = [cluster.public_url, *(f"http://{edge.listen}" for edge in cluster.edges.values())]
    return ApplicationFile(
        application=token.application,
        masters=masters or tuple(own_masters),
        uploads=uploads or tuple(own_uploads),
        edges=tuple(dict.fromkeys(edges)),
        token=sign_token(keys, token),
        read_key=read_key,
        ticket_key=ticket_key_of(keys, token.application),
        webhook_keys=application_keys(keys, Purpose.WEBHOOK, token.application),
        sizes=cluster.sizes,
    )


def _tokens_by_application(path: Path) -> dict[str, list[str]]:
    """Return the ids of the tokens that are recorded, valid, and not revoked."""
    found: dict[str, list[str]] = {}
    now = time.time()
    for record in load_tokens(path).values():
        if not record.revoked and not is_expired(record.expiry, now):
            found.setdefault(record.application or DEFAULT_APPLICATION, []).append(record.id)
    return found


def _describe(application: Application) -> str:
    limits: dict[str, Any] = {
        "volumes": render_volume_ranges(application.volumes) if application.volumes else "all",
        "bytes_max": application.upload_bytes_max,
        "formats": ",".join(application.formats or ()),
        "uploads_per_minute": application.uploads_per_minute,
        "origins": ",".join(application.origins),
        "webhooks": ",".join(application.webhook_urls),
    }
    return "  ".join(f"{name} {value}" for name, value in limits.items() if value)


def _keep_from_others() -> None:
    """Set mode 0600 on the file that stdout is redirected to."""
    with contextlib.suppress(io.UnsupportedOperation):
        descriptor = sys.stdout.fileno()
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fchmod(descriptor, 0o600)
