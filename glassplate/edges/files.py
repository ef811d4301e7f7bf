"""Writing what `proxy_config` renders to a folder, and the command that runs an edge from there."""

import getpass
import os
import shutil
from pathlib import Path

from permission_urls import KeyRing, Purpose, derived_keys
from proxy_config.edge_settings import (
    LUA_MODULE_NAME,
    NGINX_MODULES,
    NginxSettings,
    VarnishSettings,
)
from proxy_config.nginx import nginx_command, render_nginx
from proxy_config.varnish import render_varnish, varnish_command
from volumes.cluster import Cluster, Edge

LOCAL_CACHE_BYTES = 256 * 1024 * 1024
LOCAL_VARNISH_BYTES = 128 * 1024 * 1024
NGINX_WORKERS = 2
SECRET_MODE = 0o600


def prepare_nginx(
    cluster: Cluster, edge: Edge, keys: KeyRing, folder: Path, *, search_path: str
) -> list[str] | None:
    """Write an nginx edge's files; the arguments to run it, or None where nginx is missing."""
    program = shutil.which("nginx", path=search_path)
    if program is None or not Path(NGINX_MODULES, LUA_MODULE_NAME).exists():
        return None
    for name in ("config", "cache", "run"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    choices = NginxSettings(
        edge_id=edge.id,
        cache_dir=str(folder / "cache"),
        cache_bytes=LOCAL_CACHE_BYTES,
        run_dir=str(folder / "run"),
        worker_processes=NGINX_WORKERS,
        worker_user=getpass.getuser() if os.geteuid() == 0 else "",
    )
    write_files(folder / "config", render_nginx(cluster, choices, read_keys_of(keys)))
    return nginx_command(choices, str(folder / "config"), program=program)


def prepare_varnish(
    cluster: Cluster, edge: Edge, keys: KeyRing, folder: Path, *, search_path: str
) -> list[str] | None:
    """Write a Varnish edge's files; the arguments to run it, or None where Varnish is missing."""
    program = shutil.which("varnishd", path=search_path)
    if program is None:
        return None
    for name in ("config", "run"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    choices = VarnishSettings(
        edge_id=edge.id, cache_bytes=LOCAL_VARNISH_BYTES, run_dir=str(folder / "run")
    )
    write_files(folder / "config", render_varnish(cluster, choices, read_keys_of(keys)))
    return varnish_command(edge, choices, str(folder / "config"), program=program)


def read_keys_of(keys: KeyRing) -> dict[str, str]:
    """What an edge gets: it can check read permissions with these, and sign nothing else."""
    return {id_: key.hex() for id_, key in derived_keys(keys, Purpose.READ).items()}


def write_files(folder: Path, files: dict[str, str]) -> None:
    """Write files, each whole or not at all; only their owner may read them."""
    for name, text in files.items():
        fresh = folder / f".{name}.new"
        fresh.touch(mode=SECRET_MODE)
        fresh.write_text(text)
        fresh.rename(folder / name)
