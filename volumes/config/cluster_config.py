"""Parser of `cluster.toml`, which reports every problem at once.

Relative paths stay relative; the caller resolves them.
"""

import re
import tomllib
from typing import Any

from volumes.bucket_location import S3_SCHEME, InvalidLocation, parse_location
from volumes.cluster import (
    Cluster,
    Colo,
    Edge,
    Ingest,
    Limits,
    Master,
    Node,
    NodeId,
    Tls,
    Volume,
)
from volumes.config.application_tables import read_applications
from volumes.config.config_reader import PLACEHOLDER_ADDRESS, InvalidConfig, Problem, Table
from volumes.photo_path import VOLUME_MAX, VolumeId
from volumes.sizes import DEFAULT_SIZES, EDGE_PIXELS_MAX, ORIGINAL_LETTER, Size
from volumes.variant_formats import QUALITY_MAX, VariantFormats
from volumes.volume_state import VolumeState

COLOS_PER_VOLUME_MIN = 2
CACHED_INFO_SECONDS_MAX = 30
SYNCFS = ("auto", "always", "never")
EDGE_KINDS = ("nginx", "varnish")

_ENDPOINT = re.compile(r"https?://[^\s/@?#]+/?")
_NUMBERS = re.compile(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?")


def parse_cluster(text: str) -> Cluster:
    """Parse the text of a `cluster.toml`.

    Raises:
        InvalidConfig: The text is not TOML, or has problems; it lists all of them with their keys.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig((Problem("(file)", f"is not TOML: {error}"),)) from error
    problems: list[Problem] = []
    top = Table("", values, problems)
    nodes = _read_nodes(top)
    volumes = _read_volumes(top, nodes)
    cluster = Cluster(
        name=top.text("name", "glassplate"),
        public_url=top.http_url("public_url"),
        keys_file=top.text("keys_file"),
        queue_url=top.text("queue_url"),
        memcached=top.addresses("memcached", []),
        strict=top.one_of("durability", ("degraded", "strict"), "degraded") == "strict",
        strict_deletes=_read_strict_deletes(top.table("deletes")),
        limits=_read_limits(top.table("limits")),
        tls=_read_tls(top.table("tls")),
        sizes=_read_sizes(top),
        variant_formats=_read_variant_formats(top.table("images")),
        nodes=nodes,
        volumes=volumes,
        masters=_read_masters(top),
        edges=_read_edges(top, nodes),
        ingests=_read_ingests(top),
        webhook_urls=_read_webhook_urls(top.table("webhooks")),
        applications=read_applications(top, volumes),
    )
    top.report_unknown_keys()
    _check_shared_addresses(cluster, problems)
    _check_internal_addresses(cluster, top)
    if problems:
        raise InvalidConfig(tuple(problems))
    return cluster


def _read_nodes(top: Table) -> dict[NodeId, Node]:
    nodes = {}
    for id_, table in top.named_tables("nodes"):
        nodes[NodeId(id_)] = Node(
            id=NodeId(id_),
            colo=Colo(table.plain_name("colo")),
            read=table.address("read"),
            write=table.address("write"),
            store=table.text("store"),
            uuid=table.text("uuid", ""),
            **_read_store(table),
        )
        table.report_unknown_keys()
    if not nodes:
        top.add_problem("nodes", "is missing: a cluster needs at least two nodes, in two colos")
    return nodes


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


def _read_volumes(top: Table, nodes: dict[NodeId, Node]) -> dict[VolumeId, Volume]:
    volumes: dict[VolumeId, Volume] = {}
    tables = tuple(top.tables("volumes"))
    if not tables:
        top.add_problem("volumes", "is missing: a cluster needs at least one volume")
    for table in tables:
        numbers = _read_numbers(table)
        mirrors = tuple(NodeId(text) for text in table.texts("mirrors"))
        state = VolumeState(table.one_of("state", tuple(s.value for s in VolumeState), "open"))
        _check_mirrors(table, mirrors, nodes)
        for number in numbers:
            if number in volumes:
                table.add_problem("numbers", f"volume {number} is listed twice")
            volumes[number] = Volume(number=number, mirrors=mirrors, state=state)
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


def _check_mirrors(table: Table, mirrors: tuple[NodeId, ...], nodes: dict[NodeId, Node]) -> None:
    for id_ in mirrors:
        if id_ not in nodes:
            table.add_problem("mirrors", f"unknown node {id_!r}; known nodes: {', '.join(nodes)}")
    if len(set(mirrors)) < len(mirrors):
        table.add_problem("mirrors", "lists a node twice")
    known = {nodes[id_].colo for id_ in mirrors if id_ in nodes}
    if len(known) < COLOS_PER_VOLUME_MIN:
        table.add_problem("mirrors", f"must be in at least {COLOS_PER_VOLUME_MIN} colos")


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


def _read_webhook_urls(table: Table) -> tuple[str, ...]:
    urls = table.webhook_urls("urls")
    table.report_unknown_keys()
    return urls


def _read_strict_deletes(table: Table) -> bool:
    is_strict = table.flag("strict", default=False)
    table.report_unknown_keys()
    return is_strict


def _read_limits(table: Table) -> Limits:
    default = Limits()
    limits = Limits(
        upload_bytes_max=table.integer("upload_bytes_max", default.upload_bytes_max, least=1),
        pixels_max=table.integer("pixels_max", default.pixels_max, least=1),
        repair_bytes_per_second=table.integer(
            "repair_bytes_per_second", default.repair_bytes_per_second, least=1
        ),
        scrub_bytes_per_second=table.integer(
            "scrub_bytes_per_second", default.scrub_bytes_per_second, least=1
        ),
        trash_days=table.integer("trash_days", default.trash_days),
        fence_seconds=table.integer("fence_seconds", default.fence_seconds, least=1),
        audit_days=table.integer("audit_days", default.audit_days, least=1),
        cached_info_seconds=table.integer(
            "cached_info_seconds", default.cached_info_seconds, most=CACHED_INFO_SECONDS_MAX
        ),
    )
    table.report_unknown_keys()
    return limits


def _read_tls(table: Table) -> Tls:
    tls = Tls(
        internal=table.one_of("internal", ("on", "off"), "off") == "on",
        folder=table.text("folder", Tls().folder),
    )
    table.report_unknown_keys()
    return tls


def _read_sizes(top: Table) -> tuple[Size, ...]:
    sizes: dict[str, Size] = {}
    for table in top.tables("sizes"):
        letter = table.text("letter")
        if not re.fullmatch("[a-z]", letter) or letter == ORIGINAL_LETTER:
            table.add_problem("letter", f"must be one of a-z but {ORIGINAL_LETTER}; is {letter!r}")
        if letter in sizes:
            table.add_problem("letter", f"size {letter!r} is listed twice")
        edge_pixels = table.integer("edge_pixels", least=1, most=EDGE_PIXELS_MAX)
        sizes[letter] = Size(letter, edge_pixels, square=table.flag("square", default=False))
        table.report_unknown_keys()
    return tuple(sizes.values()) or DEFAULT_SIZES


def _read_variant_formats(table: Table) -> VariantFormats:
    default = VariantFormats()

    def quality(name: str, default_quality: int) -> int:
        return table.integer(name, default_quality, least=1, most=QUALITY_MAX)

    formats = VariantFormats(
        webp=table.flag("webp", default=default.webp),
        webp_quality=quality("webp_quality", default.webp_quality),
        avif=table.flag("avif", default=default.avif),
        avif_quality=quality("avif_quality", default.avif_quality),
        avif_edge_pixels_max=table.integer(
            "avif_edge_pixels_max", default.avif_edge_pixels_max, least=1, most=EDGE_PIXELS_MAX
        ),
        animation=table.flag("animation", default=default.animation),
        animation_quality=quality("animation_quality", default.animation_quality),
        keep_credit=table.flag("keep_credit", default=default.keep_credit),
        strip_original=table.one_of("strip_original", ("none", "gps"), default.strip_original),
    )
    table.report_unknown_keys()
    return formats


def _check_internal_addresses(cluster: Cluster, top: Table) -> None:
    """Add a problem for each storagemaster that workers cannot reach by TLS."""
    for id_, master in cluster.masters.items():
        if cluster.tls.internal and master.internal is None:
            top.add_problem(
                f"masters.{id_}.internal",
                'is missing: with TLS, workers need an address of their own, as in "10.0.0.1:8290"',
            )


def _check_shared_addresses(cluster: Cluster, problems: list[Problem]) -> None:
    owners: dict[str, str] = {}
    named = [
        *((f"nodes.{n.id}.read", n.read) for n in cluster.nodes.values()),
        *((f"nodes.{n.id}.write", n.write) for n in cluster.nodes.values()),
        *((f"masters.{m.id}.address", m.address) for m in cluster.masters.values()),
        *(
            (f"masters.{m.id}.internal", m.internal)
            for m in cluster.masters.values()
            if m.internal is not None
        ),
        *((f"edges.{e.id}.listen", e.listen) for e in cluster.edges.values()),
        *((f"edges.{e.id}.purge", e.purge) for e in cluster.edges.values()),
        *((f"ingests.{i.id}.listen", i.listen) for i in cluster.ingests.values()),
    ]
    for key, address in named:
        owner = owners.setdefault(str(address), key)
        if owner != key and address.host != PLACEHOLDER_ADDRESS.host:
            problems.append(Problem(key, f"{address} is already used by {owner}"))
