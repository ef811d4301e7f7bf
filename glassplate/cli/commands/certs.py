"""`glassplate certs`: the authority of the cluster, and the certificates of its machines."""

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from glassplate.certificates.certificate_folder import (
    RENEWED_BELOW_DAYS,
    IssuedCertificate,
    init_certificates,
    issued_certificates,
    load_authority,
    renew_certificates,
    save_certificate,
)
from glassplate.cli.connection import Connection
from glassplate.cli.views.output import json_option, print_json
from runtime.tls.machine_name import MachineName, Role
from volumes.cluster import Cluster
from volumes.machines import machines_of


@click.group()
def certs() -> None:
    r"""Create, issue, renew, and list certificates.

    With `[tls] internal = "on"`, storagemasters, nodes, and workers prove to each other who they
    are, with certificates of the cluster's own authority. A certificate names the role and the id
    of one machine. They are in the folder `tls` beside the config, or in `[tls] folder`. A machine
    needs ca.pem and its own file. Keep ca-key.pem off these machines, or at another path, in
    GLASSPLATE_AUTHORITY_KEY.

    Running processes use a renewed certificate within two seconds, without a restart.

    \b
    Examples:
      glassplate certs init
      glassplate certs list
      glassplate certs renew
    """


@certs.command()
@click.pass_obj
def init(connection: Connection) -> None:
    r"""Create the authority, and a certificate for each machine.

    Existing files stay. Run it again when the config has more machines.

    \b
    Example:
      glassplate --cluster /etc/glassplate/cluster.toml certs init
    """
    cluster, folder = _cluster(connection)
    issued = init_certificates(cluster, folder, now_seconds=time.time())
    for machine in issued:
        click.echo(f"{machine.role} {machine.id}")
    click.echo(f"{len(issued)} certificates were issued in {folder}")


@certs.command("issue")
@click.argument("role", type=click.Choice([role.value for role in Role]))
@click.argument("machine_id", metavar="ID")
@click.option("--host", "hosts", multiple=True, help="Another name or address. Repeatable.")
@click.pass_obj
def issue_certificate(
    connection: Connection, *, role: str, machine_id: str, hosts: tuple[str, ...]
) -> None:
    r"""Issue a new certificate for one machine of the config.

    The id of a worker is its colo. Its former certificate stays valid until it ends.

    \b
    Examples:
      glassplate certs issue node east-1
      glassplate certs issue worker east
    """
    cluster, folder = _cluster(connection)
    machine = MachineName(Role(role), machine_id)
    machines = machines_of(cluster)
    if machine not in machines:
        known = ", ".join(each.id for each in machines if each.role is machine.role)
        raise click.UsageError(f"unknown {role} {machine_id!r}; the config has: {known}")
    path = save_certificate(
        folder,
        load_authority(folder),
        machine,
        hosts=(*machines.get(machine, ()), *hosts),
        now_seconds=time.time(),
    )
    click.echo(f"issued {path}")


@certs.command()
@click.option("--all", "renews_all", is_flag=True, help="Renew also certificates that end later.")
@click.pass_obj
def renew(connection: Connection, *, renews_all: bool) -> None:
    r"""Renew the certificates that end soon.

    It renews those with less than 60 days left. Then copy each to its machine.

    \b
    Examples:
      glassplate certs renew
      glassplate certs renew --all
    """
    cluster, folder = _cluster(connection)
    renewed = renew_certificates(cluster, folder, now_seconds=time.time(), renews_all=renews_all)
    for path in renewed:
        click.echo(f"renewed {path}")
    if not renewed:
        click.echo(f"no certificate ends within {RENEWED_BELOW_DAYS} days")
        return
    days = (load_authority(folder).end - datetime.now(UTC)).days
    if days < RENEWED_BELOW_DAYS:
        click.echo(
            f"! the authority ends in {days} days, and these certificates end with it: replace it, "
            "as in docs/security.md",
            err=True,
        )


@certs.command("list")
@json_option
@click.pass_obj
def list_certificates(connection: Connection, *, as_json: bool) -> None:
    r"""List certificates and the days until they end.

    \b
    Examples:
      glassplate certs list
      glassplate certs list --json | jq -r '.[] | select(.days_left < 30).id'
    """
    _, folder = _cluster(connection)
    now = time.time()
    found = issued_certificates(folder)
    if as_json:
        print_json([_document(each, now) for each in found])
        return
    for each in found:
        days = each.days_left(now_seconds=now)
        left = f"{days} days left" if days >= 0 else "has ended"
        click.echo(f"{each.machine.role:<9}{each.machine.id:<20}{left}")


def _document(certificate: IssuedCertificate, now_seconds: float) -> dict[str, object]:
    return {
        "role": certificate.machine.role.value,
        "id": certificate.machine.id,
        "path": str(certificate.path),
        "days_left": certificate.days_left(now_seconds=now_seconds),
    }


def _cluster(connection: Connection) -> tuple[Cluster, Path]:
    cluster = connection.cluster()
    return cluster, Path(cluster.tls.folder)
