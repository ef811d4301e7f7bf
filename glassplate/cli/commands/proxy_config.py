"""`glassplate proxy-config`: the files of an edge, rendered from the cluster's config and keys."""

import contextlib
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import Failure, WrongUsage
from glassplate.cli.options.edge_values import ADDRESS, BYTES
from glassplate.edges.files import read_keys_of
from glassplate.edges.rendered_edge import (
    ConfigRejected,
    RenderedEdge,
    rendered_nginx,
    rendered_varnish,
    write_edge,
)
from glassplate.edges.watch import EdgeWatch
from permission_urls import load_keys
from proxy_config.edge_settings import NginxSettings, TlsFiles, VarnishSettings
from proxy_config.errors import ProxyConfigError
from volumes.cluster import Cluster, Edge
from volumes.cluster_file import load_cluster


@click.group("proxy-config")
def proxy_config() -> None:
    r"""Write the config of an edge.

    All of it comes from the config and the keys of the cluster. Nothing in it is to be edited:
    change cluster.toml and write it again. Do so whenever nodes, volumes, storagemasters or keys
    change, and have the edge read it.

    Without --out, the main file is printed. With --out, all files are written, readable by their
    owner only, and the command that runs the edge is printed. Run it as that owner. With --watch,
    it goes on from there until it is interrupted: whenever the config or the keys change, the files
    are written again, and the edge, if it is running, reads them. What is wrong with a change is
    told on stderr, and the edge goes on with what it has.

    \b
    Examples:
      glassplate proxy-config nginx --colo east
      glassplate proxy-config nginx --edge east-nginx --out /etc/glassplate/east-nginx --check
      glassplate proxy-config varnish --edge varnish --out /etc/glassplate/varnish --cache-bytes 4G
      glassplate proxy-config nginx --colo east --out /etc/glassplate/edge --check --watch

    Exit status: 0 done; 1 the server or the disk refused the files; 2 wrong usage or config. Unless
    it is 0, the files in --out are what they were.
    """


def _edge_options(command: Callable[..., None]) -> Callable[..., None]:
    """What every kind of edge is told."""
    for option in (
        click.option(
            "--watch",
            is_flag=True,
            help="Go on: write the files again, and reload the edge, at every change.",
        ),
        click.option(
            "--check", is_flag=True, help="Write only what the server, installed here, accepts."
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path, file_okay=False),
            help="The folder to write all files to.",
        ),
        click.option(
            "--purge-network",
            "purge_networks",
            multiple=True,
            help="Who may purge, as an address or a network; may be given again.  "
            "[default: the storagemasters]",
        ),
        click.option(
            "--run-dir",
            default="/run/glassplate",
            show_default=True,
            help="The edge's own folder, for its pid, logs and temporary files.",
        ),
        click.option("--colo", help="The edge of this kind in a colo."),
        click.option("--edge", "edge_id", metavar="ID", help="The edge of this id."),
    ):
        command = option(command)
    return click.pass_obj(command)


@proxy_config.command()
@click.option(
    "--cache-dir",
    default="/var/cache/glassplate",
    show_default=True,
    help="The cache's own folder.",
)
@click.option("--cache-bytes", type=BYTES, default="10G", show_default=True)
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--user", default="", help="The user of the workers, where root starts nginx.")
@click.option(
    "--varnish-tier",
    type=ADDRESS,
    multiple=True,
    help="A Varnish to ask before the nodes; may be given again.",
)
@click.option(
    "--disk",
    "disk_node",
    metavar="NODE",
    default="",
    help="The node on this machine: its photos come from its disk, verified by its scrub alone.",
)
@click.option("--tls-cert", help="The certificate chain: the absolute path of a PEM file.")
@click.option("--tls-key", help="The private key of the certificate.")
@_edge_options
def nginx(
    connection: Connection,
    *,
    edge_id: str | None,
    colo: str | None,
    out: Path | None,
    check: bool,
    watch: bool,
    workers: int,
    user: str,
    tls_cert: str | None,
    tls_key: str | None,
    **choices: Any,
) -> None:
    r"""Write the config of an nginx edge: nginx.conf, Lua scripts, and keys.lua.

    Its folders must be there when nginx starts, and belong to the user of its workers.

    \b
    Example:
      glassplate proxy-config nginx --colo east --out /etc/glassplate/edge --user www-data \
        --cache-dir /srv/cache --cache-bytes 200G --run-dir /run/edge --check
    """
    if bool(tls_cert) != bool(tls_key):
        raise click.UsageError("--tls-cert and --tls-key need each other")

    def render() -> RenderedEdge:
        cluster = load_cluster(connection.cluster_path)
        chosen = NginxSettings(
            edge_id=pick_edge(cluster, "nginx", edge_id=edge_id, colo=colo).id,
            worker_processes=workers,
            worker_user=user,
            tls=TlsFiles(certificate=tls_cert, key=tls_key) if tls_cert and tls_key else None,
            **choices,
        )
        return rendered_nginx(cluster, chosen, _read_keys(cluster))

    _deliver(connection, render, out, check=check, watch=watch)


@proxy_config.command()
@click.option("--cache-bytes", type=BYTES, default="1G", show_default=True, help="Of memory.")
@_edge_options
def varnish(
    connection: Connection,
    *,
    edge_id: str | None,
    colo: str | None,
    out: Path | None,
    check: bool,
    watch: bool,
    **choices: Any,
) -> None:
    r"""Write the config of a Varnish edge: edge.vcl and keys.vcl.

    \b
    Example:
      glassplate proxy-config varnish --edge varnish --out /etc/glassplate/varnish \
        --cache-bytes 4G --run-dir /run/varnish --check
    """

    def render() -> RenderedEdge:
        cluster = load_cluster(connection.cluster_path)
        edge = pick_edge(cluster, "varnish", edge_id=edge_id, colo=colo)
        chosen = VarnishSettings(edge_id=edge.id, **choices)
        return rendered_varnish(cluster, chosen, _read_keys(cluster))

    _deliver(connection, render, out, check=check, watch=watch)


def pick_edge(cluster: Cluster, kind: str, *, edge_id: str | None, colo: str | None) -> Edge:
    """The edge of this kind that has an id, or that is the only one in a colo.

    Raises:
        UsageError: Not exactly one of both was given.
        WrongUsage: There is no such edge, or the colo has several.
    """
    if (edge_id is None) == (colo is None):
        raise click.UsageError("name the edge with --edge ID, or its colo with --colo")
    of_kind = [edge for edge in cluster.edges.values() if edge.kind == kind]
    found = [edge for edge in of_kind if colo in (None, edge.colo) and edge_id in (None, edge.id)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(edge.id for edge in found)
        raise WrongUsage(f"colo {colo} has several {kind} edges; name one: --edge {ids}")
    known = ", ".join(f"{edge.id} in {edge.colo}" for edge in of_kind) or "none"
    what = f"{kind} edge {edge_id}" if edge_id else f"{kind} edge in colo {colo}"
    raise WrongUsage(f"the cluster has no {what}; its {kind} edges are: {known}")


def _read_keys(cluster: Cluster) -> dict[str, str]:
    return read_keys_of(load_keys(Path(cluster.keys_file)))


def _deliver(
    connection: Connection,
    render: Callable[[], RenderedEdge],
    out: Path | None,
    *,
    check: bool,
    watch: bool,
) -> None:
    if out is None and (check or watch):
        raise click.UsageError(f"{'--check' if check else '--watch'} needs --out")

    def rendered() -> RenderedEdge:
        with _plain_refusals():
            return render()

    edge = rendered()
    if out is None:
        _print_main_file(edge)
        return
    folder = out.resolve()
    with _plain_refusals():
        write_edge(edge, folder, check=check)
    click.echo(shlex.join(edge.command(str(folder))))
    if watch:
        EdgeWatch(
            cluster_path=connection.cluster_path,
            render=rendered,
            folder=folder,
            check=check,
            report=lambda what: click.echo(f"{folder}: {what}", err=True),
        ).run()


def _print_main_file(edge: RenderedEdge) -> None:
    if edge.main_file in edge.secret_files:
        raise click.UsageError(f"{edge.main_file} holds keys, which are not printed; give --out")
    click.echo(edge.files[edge.main_file], nl=False)
    others = ", ".join(name for name in edge.files if name != edge.main_file)
    click.echo(f"It needs {others} beside it; --out DIR writes them all.", err=True)


@contextlib.contextmanager
def _plain_refusals() -> Iterator[None]:
    """Turn what may be wrong with an edge into an exit status."""
    try:
        yield
    except ProxyConfigError as error:
        raise WrongUsage(str(error)) from error
    except ConfigRejected as error:
        raise Failure(str(error)) from error
