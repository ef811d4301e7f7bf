"""Edges with rendered configs, each on its own ports, in front of a running cluster."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from bench.servers import free_address, running
from glassplate.edges import rendered_edge
from glassplate.local.cluster import LocalCluster
from glassplate.local.edges import nginx_settings, varnish_settings
from volumes.address import Address
from volumes.cluster import Cluster

# Subroutines of the VCL that check; each one then returns at its beginning.
_CHECKS = ("check_form", "check_permission", "vcl_hit")
_NO_CHECK = {"vcl_hit": "return (deliver);"}


@contextlib.asynccontextmanager
async def rendered_nginx(local: LocalCluster, name: str, **changes: Any) -> AsyncIterator[Address]:
    """Run an nginx edge of the first colo, with changes to the local settings."""
    edge_id = "east-nginx"
    cluster, folder = _on_free_ports(local, edge_id, name)
    settings = nginx_settings(edge_id, cache=folder / "cache", run=folder / "run")
    settings = dataclasses.replace(settings, **changes)
    edge = rendered_edge.rendered_nginx(cluster, settings, local.keys)
    rendered_edge.write_edge(edge, folder / "config")
    argv = edge.command(str(folder / "config"))
    address = cluster.edges[edge_id].listen
    async with running(argv, address, log=local.data / "log" / f"{name}.log"):
        yield address


@contextlib.asynccontextmanager
async def rendered_varnish(
    local: LocalCluster, name: str, change: Callable[[str], str] = str
) -> AsyncIterator[Address]:
    """Run a Varnish edge, with its VCL changed by `change`."""
    edge_id = "varnish"
    cluster, folder = _on_free_ports(local, edge_id, name)
    settings = varnish_settings(edge_id, run=folder / "run")
    edge = rendered_edge.rendered_varnish(cluster, settings, local.keys)
    changed = {**edge.files, edge.main_file: change(edge.files[edge.main_file])}
    rendered_edge.write_edge(dataclasses.replace(edge, files=changed), folder / "config")
    argv = edge.command(str(folder / "config"))
    address = cluster.edges[edge_id].listen
    async with running(argv, address, log=local.data / "log" / f"{name}.log"):
        yield address


def without_check(vcl: str) -> str:
    """Return the VCL without its check of permissions."""
    for name in _CHECKS:
        begins = f"sub {name} {{\n"
        assert vcl.count(begins) == 1, "the VCL has changed"
        # In a condition, because Varnish rejects unreachable code.
        at_once = f"    if (req.url) {{\n        {_NO_CHECK.get(name, 'return;')}\n    }}\n"
        vcl = vcl.replace(begins, begins + at_once)
    return vcl


def _on_free_ports(local: LocalCluster, edge_id: str, name: str) -> tuple[Cluster, Path]:
    """Return the cluster with the edge on free ports, and a directory for the edge."""
    edge = local.cluster.edges[edge_id]
    moved = dataclasses.replace(edge, listen=free_address(), purge=free_address())
    folder = local.data / name
    for part in ("config", "cache", "run"):
        (folder / part).mkdir(parents=True)
    return dataclasses.replace(local.cluster, edges={edge_id: moved}), folder
