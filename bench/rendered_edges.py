"""Edges as they are rendered, each on ports of its own, in front of a cluster that runs already."""

import contextlib
import dataclasses
import getpass
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from bench.theirs import free_address, running
from glassplate.edges.files import (
    LOCAL_CACHE_BYTES,
    LOCAL_VARNISH_BYTES,
    NGINX_WORKERS,
    read_keys_of,
    write_files,
)
from glassplate.local.cluster import LocalCluster
from proxy_config import (
    NginxSettings,
    VarnishSettings,
    nginx_command,
    render_nginx,
    render_varnish,
    varnish_command,
)
from volumes.address import Address
from volumes.cluster import Cluster

# The parts of the VCL that check; each then lets everything through before it begins.
_CHECKS = ("check_form", "check_permission", "vcl_hit")
_NO_CHECK = {"vcl_hit": "return (deliver);"}


@contextlib.asynccontextmanager
async def rendered_nginx(
    local: LocalCluster, name: str, **choices: object
) -> AsyncIterator[Address]:
    """An nginx edge of the first colo; `choices` are more of `NginxSettings`."""
    edge_id = "east-nginx"
    cluster, folder = _elsewhere(local, edge_id, name)
    chosen = NginxSettings(
        edge_id=edge_id,
        cache_dir=str(folder / "cache"),
        cache_bytes=LOCAL_CACHE_BYTES,
        run_dir=str(folder / "run"),
        worker_processes=NGINX_WORKERS,
        worker_user=getpass.getuser() if os.geteuid() == 0 else "",
        **choices,  # type: ignore[arg-type]  # checked by the class itself
    )
    write_files(folder / "config", render_nginx(cluster, chosen, read_keys_of(local.keys)))
    argv = nginx_command(chosen, str(folder / "config"))
    address = cluster.edges[edge_id].listen
    async with running(argv, address, log=local.data / "log" / f"{name}.log"):
        yield address


@contextlib.asynccontextmanager
async def rendered_varnish(
    local: LocalCluster, name: str, change: Callable[[str], str] = str
) -> AsyncIterator[Address]:
    """A Varnish edge; `change` is done to its VCL first."""
    edge_id = "varnish"
    cluster, folder = _elsewhere(local, edge_id, name)
    chosen = VarnishSettings(
        edge_id=edge_id, cache_bytes=LOCAL_VARNISH_BYTES, run_dir=str(folder / "run")
    )
    files = render_varnish(cluster, chosen, read_keys_of(local.keys))
    write_files(folder / "config", files | {"edge.vcl": change(files["edge.vcl"])})
    edge = cluster.edges[edge_id]
    argv = varnish_command(edge, chosen, str(folder / "config"))
    async with running(argv, edge.listen, log=local.data / "log" / f"{name}.log"):
        yield edge.listen


def without_check(vcl: str) -> str:
    """The same VCL, which takes every permission for a good one."""
    for name in _CHECKS:
        begins = f"sub {name} {{\n"
        assert vcl.count(begins) == 1, "the VCL checks permissions in some other way by now"
        # Not at once, because Varnish wants the rest to be reached.
        at_once = f"    if (req.url) {{\n        {_NO_CHECK.get(name, 'return;')}\n    }}\n"
        vcl = vcl.replace(begins, begins + at_once)
    return vcl


def _elsewhere(local: LocalCluster, edge_id: str, name: str) -> tuple[Cluster, Path]:
    """The cluster with the edge on free ports, and a folder for it."""
    edge = local.cluster.edges[edge_id]
    moved = dataclasses.replace(edge, listen=free_address(), purge=free_address())
    folder = local.data / name
    for part in ("config", "cache", "run"):
        (folder / part).mkdir(parents=True)
    return dataclasses.replace(local.cluster, edges={edge_id: moved}), folder
