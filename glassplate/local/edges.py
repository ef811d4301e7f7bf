"""Edges of a local cluster: their files, and the commands that run them."""

import getpass
import os
import shutil
from pathlib import Path

from glassplate.edges.rendered_edge import rendered_nginx, rendered_varnish, write_edge
from permission_urls import KeyRing
from proxy_config.edge_settings import (
    LUA_MODULE_NAME,
    NGINX_MODULES,
    NginxSettings,
    VarnishSettings,
)
from volumes.cluster import Cluster, Edge

NGINX_CACHE_BYTES = 256 * 1024 * 1024
VARNISH_CACHE_BYTES = 128 * 1024 * 1024
NGINX_WORKERS = 2


def prepare_edge(
    cluster: Cluster, edge: Edge, keys: KeyRing, folder: Path, *, search_path: str
) -> list[str] | None:
    """Write the files of an edge. Return its command, or None if its server is not installed."""
    is_nginx = edge.kind == "nginx"
    program = shutil.which("nginx" if is_nginx else "varnishd", path=search_path)
    if program is None or (is_nginx and not Path(NGINX_MODULES, LUA_MODULE_NAME).exists()):
        return None
    config, cache, run = (folder / name for name in ("config", "cache", "run"))
    run.mkdir(parents=True, exist_ok=True)
    if is_nginx:
        cache.mkdir(exist_ok=True)
        settings = nginx_settings(edge.id, cache=cache, run=run)
        rendered = rendered_nginx(cluster, settings, keys, program=program)
    else:
        rendered = rendered_varnish(
            cluster, varnish_settings(edge.id, run=run), keys, program=program
        )
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
        worker_user=getpass.getuser() if os.geteuid() == 0 else "",
    )


def varnish_settings(edge_id: str, *, run: Path) -> VarnishSettings:
    """Return the settings of a local Varnish."""
    return VarnishSettings(edge_id=edge_id, cache_bytes=VARNISH_CACHE_BYTES, run_dir=str(run))
