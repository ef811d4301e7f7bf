"""`glassplate proxy-config`: the files of an edge, rendered from the cluster's config and keys."""

import contextlib
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import Failure, WrongUsage
from glassplate.cli.options.parameter_types import ADDRESS, BYTES
from glassplate.edges.rendered_edge import (
    ConfigRejected,
    RenderedEdge,
    rendered_ingest,
    rendered_nginx,
    rendered_varnish,
    write_edge,
)
from glassplate.edges.watch import EdgeWatch
from permission_urls import FollowedKeys, load_keys
from proxy_config.edge_settings import IngestSettings, NginxSettings, TlsFiles, VarnishSettings
from proxy_config.errors import ProxyConfigError
from volumes.cluster import Cluster, Edge
from volumes.config.cluster_file import load_cluster


class EdgeNotFound(ProxyConfigError):
    """A colo or an id that does not name exactly one edge of a kind."""


@click.group("proxy-config")
def proxy_config() -> None:
    r"""Write the config of an edge.

    The files come from the config and the keys of the cluster. Do not edit them: change
    cluster.toml and write them again. Write them and reload the edge whenever nodes, volumes,
    storagemasters, or keys change.

    Without --out, the main file is printed. With --out, all files are written, readable by their
    owner only, and the command that runs the edge is printed. Run it as that owner. If the
    command fails, the files in --out are not changed.

    With --watch, the command keeps running. On every change of the config or the keys, it writes
    the files and reloads the edge if it is running. It reports invalid changes on stderr, and the
    edge keeps its files.

    \b
    Examples:
      glassplate proxy-config nginx --colo east
      glassplate proxy-config nginx --edge east-nginx --out /etc/edge --check
      glassplate proxy-config varnish --edge varnish --out /etc/edge
      glassplate proxy-config nginx --colo east --out /etc/edge --check --watch
      glassplate proxy-config ingest --ingest east-ingest --out /etc/ingest
    """


Command = Callable[..., None]


def _with(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return a decorator that adds options to a command, the last one first in its help."""

    def add(command: Command) -> Command:
        for option in options:
            command = option(command)
        return command

    return add


_output_options = _with(
    click.pass_obj,
    click.option(
        "--watch",
        is_flag=True,
        help="Keep running: rewrite the files and reload the server on every change.",
    ),
    click.option("--check", is_flag=True, help="Let the installed server validate the files."),
    click.option(
        "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for all files."
    ),
    click.option(
        "--run-dir",
        default="/run/glassplate",
        show_default=True,
        help="Folder for the pid file, logs, and temporary files.",
    ),
)
_edge_options = _with(
    _output_options,
    click.option(
        "--purge-network",
        "purge_networks",
        multiple=True,
        show_default="the storagemasters",
        help="Address or network that can purge. Repeatable.",
    ),
    click.option("--colo", help="Colo, if it has one edge of this kind."),
    click.option("--edge", "edge_id", metavar="ID", help="Id of the edge."),
)
_nginx_options = _with(
    click.option("--tls-key", help="Absolute path of the private key, a PEM file."),
    click.option("--tls-cert", help="Absolute path of the certificate chain, a PEM file."),
    click.option("--user", default="", help="User of the workers, if root starts nginx."),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        default=2,
        show_default=True,
        help="Number of worker processes.",
    ),
)


@proxy_config.command()
@click.option(
    "--cache-dir",
    default="/var/cache/glassplate",
    show_default=True,
    help="Folder for the cache alone.",
)
@click.option(
    "--cache-bytes", type=BYTES, default="10G", show_default=True, help="Size of the cache."
)
@click.option(
    "--varnish-tier",
    type=ADDRESS,
    multiple=True,
    help="Varnish to query before the nodes. Repeatable.",
)
@click.option(
    "--disk",
    "disk_node",
    metavar="NODE",
    default="",
    help="Node on this machine to read from disk. Only its scrub verifies the bytes.",
)
@_nginx_options
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
    **settings: Any,
) -> None:
    r"""Write the config of an nginx edge.

    The files are nginx.conf, Lua scripts, routes.lua, and keys.lua. The folders of the edge must
    exist when nginx starts, and belong to the user of its workers.

    \b
    Example:
      glassplate proxy-config nginx --colo east --out /etc/glassplate/edge \
        --user www-data --cache-dir /srv/cache --cache-bytes 200G --check
    """

    def render() -> RenderedEdge:
        cluster = load_cluster(connection.cluster_path)
        chosen = NginxSettings(
            edge_id=pick_edge(cluster, "nginx", edge_id=edge_id, colo=colo).id,
            worker_processes=workers,
            worker_user=user,
            tls=_tls_files(tls_cert, tls_key),
            **settings,
        )
        return rendered_nginx(cluster, chosen, load_keys(Path(cluster.keys_file)))

    _write(connection, render, out, check=check, watch=watch)


@proxy_config.command()
@click.option(
    "--cache-bytes", type=BYTES, default="1G", show_default=True, help="Size of the cache, in RAM."
)
@_edge_options
def varnish(
    connection: Connection,
    *,
    edge_id: str | None,
    colo: str | None,
    out: Path | None,
    check: bool,
    watch: bool,
    **settings: Any,
) -> None:
    r"""Write the config of a Varnish edge.

    The files are edge.vcl, routes.vcl, and keys.vcl.

    \b
    Example:
      glassplate proxy-config varnish --edge varnish --out /etc/varnish \
        --cache-bytes 4G --run-dir /run/varnish --check
    """

    def render() -> RenderedEdge:
        cluster = load_cluster(connection.cluster_path)
        edge = pick_edge(cluster, "varnish", edge_id=edge_id, colo=colo)
        chosen = VarnishSettings(edge_id=edge.id, **settings)
        return rendered_varnish(cluster, chosen, load_keys(Path(cluster.keys_file)))

    _write(connection, render, out, check=check, watch=watch)


@proxy_config.command()
@click.option("--ingest", "ingest_id", metavar="ID", required=True, help="Id of the ingest.")
@click.option(
    "--connections",
    "connections_max",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Connections of one client address.",
)
@click.option(
    "--requests-per-second",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Requests of one client address.",
)
@_nginx_options
@_output_options
def ingest(
    connection: Connection,
    *,
    ingest_id: str,
    out: Path | None,
    check: bool,
    watch: bool,
    workers: int,
    user: str,
    tls_cert: str | None,
    tls_key: str | None,
    **settings: Any,
) -> None:
    r"""Write the config of an nginx in front of the storagemasters.

    Browsers and devices upload through it: it has TLS, limits for each client address, and any
    storagemaster as upstream.

    \b
    Example:
      glassplate proxy-config ingest --ingest east-ingest --out /etc/ingest \
        --check --user www-data \
        --tls-cert /etc/tls/cert.pem --tls-key /etc/tls/key.pem
    """

    def render() -> RenderedEdge:
        chosen = IngestSettings(
            ingest_id=ingest_id,
            worker_processes=workers,
            worker_user=user,
            tls=_tls_files(tls_cert, tls_key),
            **settings,
        )
        return rendered_ingest(load_cluster(connection.cluster_path), chosen)

    _write(connection, render, out, check=check, watch=watch)


def _tls_files(certificate: str | None, key: str | None) -> TlsFiles | None:
    if bool(certificate) != bool(key):
        raise click.UsageError("--tls-cert and --tls-key require each other")
    return TlsFiles(certificate=certificate, key=key) if certificate and key else None


def pick_edge(cluster: Cluster, kind: str, *, edge_id: str | None, colo: str | None) -> Edge:
    """Return the edge of this kind with an id, or the only one in a colo.

    Raises:
        EdgeNotFound: The edge does not exist, or the colo has several.
        click.UsageError: Not exactly one of `edge_id` and `colo` is given.
    """
    if (edge_id is None) == (colo is None):
        raise click.UsageError("name the edge with --edge ID, or its colo with --colo")
    of_kind = [edge for edge in cluster.edges.values() if edge.kind == kind]
    found = [edge for edge in of_kind if colo in (None, edge.colo) and edge_id in (None, edge.id)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(edge.id for edge in found)
        raise EdgeNotFound(f"colo {colo} has several {kind} edges; use --edge with one of: {ids}")
    known = ", ".join(f"{edge.id} in {edge.colo}" for edge in of_kind) or "none"
    name = f"{kind} edge {edge_id!r}" if edge_id else f"{kind} edge in colo {colo!r}"
    raise EdgeNotFound(f"the cluster has no {name}; known {kind} edges: {known}")


def _write(
    connection: Connection,
    render: Callable[[], RenderedEdge],
    out: Path | None,
    *,
    check: bool,
    watch: bool,
) -> None:
    if out is None and (check or watch):
        raise click.UsageError(f"{'--check' if check else '--watch'} requires --out")
    folder = out.resolve() if out is not None else Path()

    def report(message: str) -> None:
        click.echo(f"{folder}: {message}", err=True)

    path, map_follower = connection.cluster_path, None
    with _click_exceptions():
        edge = render()
        if out is None:
            _print_main_file(edge)
            return
        if watch:
            from storagemaster.map_client import MapFollower

            # Before the files are there: what changes the config later ends no watch.
            keys = FollowedKeys(Path(connection.cluster().keys_file))
            map_follower = MapFollower(path, keys, report=report)
        write_edge(edge, folder, check=check)
    click.echo(shlex.join(edge.command(str(folder))))
    if map_follower is not None:
        watched = EdgeWatch(
            cluster_path=path, render=render, folder=folder, check=check, report=report
        )
        with map_follower.running():
            watched.run()


def _print_main_file(edge: RenderedEdge) -> None:
    if edge.main_file in edge.secret_files:
        raise click.UsageError(f"{edge.main_file} contains keys and is not printed; use --out")
    click.echo(edge.files[edge.main_file], nl=False)
    others = ", ".join(name for name in edge.files if name != edge.main_file)
    click.echo(f"It requires {others}. Use --out DIR to write all files.", err=True)


@contextlib.contextmanager
def _click_exceptions() -> Iterator[None]:
    """Convert the errors of the block to exit statuses."""
    try:
        yield
    except ProxyConfigError as error:
        raise WrongUsage(str(error)) from error
    except ConfigRejected as error:
        raise Failure(str(error)) from error
