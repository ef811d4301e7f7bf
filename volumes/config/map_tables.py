"""Readers of the tables of the volume map: nodes, volumes, storagemasters, edges, and ingests."""

import dataclasses
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from volumes.bucket_location import S3_SCHEME, InvalidLocation, parse_location
from volumes.cluster import Colo, Edge, Ingest, Master, Node, NodeId, NodeState, Volume
from volumes.config.config_reader import PLACEHOLDER_ADDRESS, Problem, Table
from volumes.photo_path import VOLUME_MAX, VolumeId
from volumes.volume_state import VolumeState

COLOS_PER_VOLUME_MIN = 2
WEIGHT_MIN, WEIGHT_MAX = 0.01, 100.0
SYNCFS = ("auto", "always", "never")
EDGE_KINDS = ("nginx", "varnish")

_ENDPOINT = re.compile(r"https?://[^\s/@?#]+/?")
_NUMBERS = re.compile(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class MapTables:
    """The processes of a cluster, and its volumes."""

    nodes: Mapping[NodeId, Node]
    gone_nodes: Mapping[NodeId, Node] = field(default_factory=dict)
    """The removed nodes, as they were."""
    volumes: Mapping[VolumeId, Volume]
    masters: Mapping[str, Master]
    edges: Mapping[str, Edge]
    ingests: Mapping[str, Ingest]


def read_map_tables(top: Table) -> MapTables:
    """Return the tables of a map, and report the mistakes in them."""
    nodes = _read_nodes(top)
    gone = {NodeId(id_): _read_node(id_, table) for id_, table in top.named_tables("gone_nodes")}
    for id_ in nodes.keys() & gone.keys():
        top.add_problem(
            f"nodes.{id_}", "is in gone_nodes: ids are never used again; give the node a new id"
        )
    tables = MapTables(
        nodes=nodes,
        gone_nodes=gone,
        volumes=_read_volumes(top, nodes, gone),
        masters=_read_masters(top),
        edges=_read_edges(top, nodes),
        ingests=_read_ingests(top),
    )
    _check_shared_addresses(tables, top.problems)
    return tables


def _read_nodes(top: Table) -> dict[NodeId, Node]:
    nodes = {NodeId(id_): _read_node(id_, table) for id_, table in top.named_tables("nodes")}
    if not nodes:
        top.add_problem("nodes", "is missing: a cluster needs at least two nodes, in two colos")
    if any(node.read_tls for node in nodes.values()):
        for node in nodes.values():
            if node.read_tls is None:
                message = "is missing: an edge reads from all nodes over TLS, or from none"
                top.add_problem(f"nodes.{node.id}.read_tls", message)
    return nodes


def _read_node(id_: str, table: Table) -> Node:
    node = Node(
        id=NodeId(id_),
        colo=Colo(table.plain_name("colo")),
        read=table.address("read"),
        write=table.address("write"),
        store=table.text("store"),
        state=NodeState(table.one_of("state", tuple(s.value for s in NodeState), "open")),
        weight=table.number("weight", 1.0, least=WEIGHT_MIN, most=WEIGHT_MAX),
        uuid=table.text("uuid", ""),
        read_tls=table.address("read_tls") if "read_tls" in table.values else None,
        **_read_store(table),
    )
    table.report_unknown_keys()
    return node


def _read_store(table: Table) -> dict[str, Any]:
    """Return the fields of a disk or of a bucket. The config never contains credentials."""
    store = table.text("store")
    if not store.startswith(S3_SCHEME):
        return {"syncfs": table.one_of("syncfs", SYNCFS, "auto")}
    try:
        parse_location(store)
    except InvalidLocation as error:
        table.add_problem("store", str(error))
    endpoint = table.text("endpoint", "")
    if endpoint and not _ENDPOINT.fullmatch(endpoint):
        table.add_problem("endpoint", f'must be as in "https://s3.example:8333"; is {endpoint!r}')
    return {
        "endpoint": endpoint.rstrip("/"),
        "region": table.text("region", ""),
        "bucket_replicas": table.integer("bucket_replicas", 1, least=1),
    }


def _read_volumes(
    top: Table, nodes: Mapping[NodeId, Node], gone: Collection[NodeId]
) -> dict[VolumeId, Volume]:
    volumes: dict[VolumeId, Volume] = {}
    tables = tuple(top.tables("volumes"))
    if not tables:
        top.add_problem("volumes", "is missing: a cluster needs at least one volume")
    for table in tables:
        numbers = _read_numbers(table)
        mirrors = _read_ids(table, "mirrors", None)
        joining, leaving = _read_ids(table, "joining", []), _read_ids(table, "leaving", [])
        state = VolumeState(table.one_of("state", tuple(s.value for s in VolumeState), "open"))
        since = table.integer("since", 1, least=1)
        homes = Volume(
            number=VolumeId(1),
            mirrors=mirrors,
            joining=joining,
            leaving=leaving,
            state=state,
            since=since,
        )
        _check_known(table, homes, nodes, gone)
        _check_homes(table, homes, nodes)
        for number in numbers:
            if number in volumes:
                table.add_problem("numbers", f"volume {number} is listed twice")
            volumes[number] = dataclasses.replace(homes, number=number)
        table.report_unknown_keys()
    return volumes


def _read_numbers(table: Table) -> tuple[VolumeId, ...]:
    text = table.text("numbers")
    match = _NUMBERS.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not first <= last <= VOLUME_MAX:
        table.add_problem(
            "numbers", f'must be as in "7" or "1-16", up to {VOLUME_MAX}; is {text!r}'
        )
        return ()
    return tuple(VolumeId(number) for number in range(first, last + 1))


def _read_ids(table: Table, name: str, default: list[str] | None) -> tuple[NodeId, ...]:
    return tuple(NodeId(text) for text in table.texts(name, default))


def _check_known(
    table: Table, homes: Volume, nodes: Mapping[NodeId, Node], gone: Collection[NodeId]
) -> None:
    for name in ("mirrors", "joining", "leaving"):
        ids: tuple[NodeId, ...] = getattr(homes, name)
        for id_ in ids:
            if id_ in gone:
                table.add_problem(name, f"node {id_!r} is in gone_nodes: it was removed")
            elif id_ not in nodes:
                table.add_problem(name, f"unknown node {id_!r}; known nodes: {', '.join(nodes)}")
        if len(set(ids)) < len(ids):
            table.add_problem(name, "lists a node twice")


def _check_homes(table: Table, volume: Volume, nodes: Mapping[NodeId, Node]) -> None:
    for id_ in volume.joining:
        if id_ in volume.mirrors:
            table.add_problem("joining", f"node {id_!r} is a mirror already")
    for id_ in volume.leaving:
        if id_ not in volume.mirrors:
            table.add_problem("leaving", f"node {id_!r} is not a mirror")
    if _count_colos(volume.mirrors, nodes) < COLOS_PER_VOLUME_MIN:
        table.add_problem("mirrors", f"must be in at least {COLOS_PER_VOLUME_MIN} colos")
    elif _count_colos(volume.mirrors_after, nodes) < COLOS_PER_VOLUME_MIN:
        table.add_problem(
            "leaving",
            f"leaves mirrors in fewer than {COLOS_PER_VOLUME_MIN} colos; add a joining node there",
        )


def _count_colos(ids: tuple[NodeId, ...], nodes: Mapping[NodeId, Node]) -> int:
    return len({nodes[id_].colo for id_ in ids if id_ in nodes})


def _read_masters(top: Table) -> dict[str, Master]:
    masters = {}
    for id_, table in top.named_tables("masters"):
        masters[id_] = Master(
            id=id_,
            colo=Colo(table.plain_name("colo")),
            address=table.address("address"),
            internal=table.address("internal") if "internal" in table.values else None,
        )
        table.report_unknown_keys()
    if not masters:
        top.add_problem("masters", "is missing: a cluster needs at least one storagemaster")
    return masters


def _read_edges(top: Table, nodes: dict[NodeId, Node]) -> dict[str, Edge]:
    edges = {}
    for id_, table in top.named_tables("edges"):
        if NodeId(id_) in nodes:
            top.add_problem(
                f"edges.{id_}", "has the id of a node; ids of edges and nodes must differ"
            )
        edges[id_] = Edge(
            id=id_,
            colo=Colo(table.plain_name("colo")),
            kind=table.one_of("kind", EDGE_KINDS),
            listen=table.address("listen"),
            purge=table.address("purge"),
        )
        table.report_unknown_keys()
    return edges


def _read_ingests(top: Table) -> dict[str, Ingest]:
    ingests = {}
    for id_, table in top.named_tables("ingests"):
        ingests[id_] = Ingest(
            id=id_, colo=Colo(table.plain_name("colo")), listen=table.address("listen")
        )
        table.report_unknown_keys()
    return ingests


def _check_shared_addresses(tables: MapTables, problems: list[Problem]) -> None:
    owners: dict[str, str] = {}
    named = [
        *((f"nodes.{n.id}.read", n.read) for n in tables.nodes.values()),
        *((f"nodes.{n.id}.write", n.write) for n in tables.nodes.values()),
        *((f"nodes.{n.id}.read_tls", n.read_tls) for n in tables.nodes.values() if n.read_tls),
        *((f"masters.{m.id}.address", m.address) for m in tables.masters.values()),
        *(
            (f"masters.{m.id}.internal", m.internal)
            for m in tables.masters.values()
            if m.internal is not None
        ),
        *((f"edges.{e.id}.listen", e.listen) for e in tables.edges.values()),
        *((f"edges.{e.id}.purge", e.purge) for e in tables.edges.values()),
        *((f"ingests.{i.id}.listen", i.listen) for i in tables.ingests.values()),
    ]
    for key, address in named:
        owner = owners.setdefault(str(address), key)
        if owner != key and address.host != PLACEHOLDER_ADDRESS.host:
            problems.append(Problem(key, f"{address} is already used by {owner}"))
