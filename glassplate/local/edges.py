"""Edges of a local cluster: their files, and the commands that run them."""

import getpass
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from glassplate.edges.rendered_edge import (
    RenderedEdge,
    rendered_ingest,
    rendered_nginx,
    rendered_varnish,
    write_edge,
)
from glassplate.edges.watch import EdgeWatch
from permission_urls import KeySource, load_keys
from proxy_config.edge_settings import (
    LUA_MODULE_NAME,
    NGINX_MODULES,
    IngestSettings,
    NginxSettings,
    VarnishSettings,
)
from volumes.cluster import Cluster, Edge, Ingest
from volumes.config.cluster_file import load_cluster

NGINX_CACHE_BYTES = 256 * 1024 * 1024
VARNISH_CACHE_BYTES = 128 * 1024 * 1024
NGINX_WORKERS = 2


@dataclass(frozen=True, slots=True)
class LocalEdge:
    """An edge of a local cluster, whose files are written."""

    id: str
    argv: list[str]
    folder: Path
    render: Callable[[Cluster, KeySource], RenderedEdge]

    def watch(self, config: Path, report: Callable[[str], None]) -> EdgeWatch:
        """Return the watch that makes the edge follow the config and the keys."""

        def render() -> RenderedEdge:
            cluster = load_cluster(config)
            return self.render(cluster, load_keys(Path(cluster.keys_file)))

        return EdgeWatch(config, render, self.folder, check=False, report=report)


def prepare_edge(
    cluster: Cluster, edge: Edge, keys: KeySource, folder: Path, *, search_path: str
) -> LocalEdge | None:
    """Write the files of an edge, or return None if its server is not installed."""
    is_nginx = edge.kind == "nginx"
    program = shutil.which("nginx" if is_nginx else "varnishd", path=search_path)
    if program is None or (is_nginx and not Path(NGINX_MODULES, LUA_MODULE_NAME).exists()):
        return None
    settings: NginxSettings | VarnishSettings
    config, cache, run = (folder / name for name in ("config", "cache", "run"))
    run.mkdir(parents=True, exist_ok=True)
    if is_nginx:
        cache.mkdir(exist_ok=True)
        settings = nginx_settings(edge.id, cache=cache, run=run)
    else:
        settings = varnish_settings(edge.id, run=run)

    def render(cluster: Cluster, keys: KeySource) -> RenderedEdge:
        if isinstance(settings, NginxSettings):
            return rendered_nginx(cluster, settings, keys, program=program)
        return rendered_varnish(cluster, settings, keys, program=program)

    rendered = render(cluster, keys)
    write_edge(rendered, config)
    return LocalEdge(edge.id, rendered.command(str(config)), config, render)


def prepare_ingest(
    cluster: Cluster, ingest: Ingest, folder: Path, *, search_path: str
) -> list[str] | None:
    """Write the files of an ingest. Return its command, or None if nginx is not installed."""
    program = shutil.which("nginx", path=search_path)
    if program is None:
        return None
    config, run = folder / "config", folder / "run"
    run.mkdir(parents=True, exist_ok=True)
    settings = IngestSettings(
        ingest_id=ingest.id,
        run_dir=str(run),
        worker_user=_worker_user(),
        # All clients of a local cluster have one address.
        connections_max=1024,
        requests_per_second=1000,
    )
    rendered = rendered_ingest(cluster, settings, program=program)
    write_edge(rendered, config)
    return rendered.command(str(config))


def nginx_settings(edge_id: str, *, cache: Path, run: Path) -> NginxSettings:
    """Return the settings of a local nginx."""
    return NginxSettings(
        edge_id=edge_id,
        cache_dir=str(cache),
        cache_bytes=NGINX_CACHE_BYTES,
        run_dir=str(run),
        worker_processes=NGINX_WORKERS,
        worker_user=_worker_user(),
    )


def _worker_user() -> str:
    return getpass.getuser() if os.geteuid() == 0 else ""


def varnish_settings(edge_id: str, *, run: Path) -> VarnishSettings:
    """Return the settings of a local Varnish."""
    return VarnishSettings(edge_id=edge_id, cache_bytes=VARNISH_CACHE_BYTES, run_dir=str(run))
