"""Edges as they are rendered, each on ports of its own, in front of a cluster that runs already."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from bench.theirs import free_address, running
from glassplate.edges import rendered_edge
from glassplate.local.cluster import LocalCluster
from glassplate.local.edges import nginx_settings, varnish_settings
from volumes.address import Address
from volumes.cluster import Cluster

# The parts of the VCL that check; each then lets everything through before it begins.
_CHECKS = ("check_form", "check_permission", "vcl_hit")
_NO_CHECK = {"vcl_hit": "return (deliver);"}


@contextlib.asynccontextmanager
async def rendered_nginx(local: LocalCluster, name: str, **choices: Any) -> AsyncIterator[Address]:
    """An nginx edge of the first colo; `choices` are more of `NginxSettings`."""
    edge_id = "east-nginx"
    cluster, folder = _elsewhere(local, edge_id, name)
    settings = nginx_settings(edge_id, cache=folder / "cache", run=folder / "run")
    settings = dataclasses.replace(settings, **choices)
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
    """A Varnish edge; `change` is done to its VCL first."""
    edge_id = "varnish"
    cluster, folder = _elsewhere(local, edge_id, name)
    settings = varnish_settings(edge_id, run=folder / "run")
    edge = rendered_edge.rendered_varnish(cluster, settings, local.keys)
    changed = {**edge.files, edge.main_file: change(edge.files[edge.main_file])}
    rendered_edge.write_edge(dataclasses.replace(edge, files=changed), folder / "config")
    argv = edge.command(str(folder / "config"))
    address = cluster.edges[edge_id].listen
    async with running(argv, address, log=local.data / "log" / f"{name}.log"):
        yield address


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
