"""Parser of `cluster.toml`, which reports every problem at once.

Relative paths stay relative; the caller resolves them.
"""

import re
import tomllib

from volumes.cluster import Cluster, Limits, Tls
from volumes.config.application_tables import read_applications
from volumes.config.config_reader import InvalidConfig, Problem, Table
from volumes.config.map_tables import read_map_tables
from volumes.sizes import DEFAULT_SIZES, EDGE_PIXELS_MAX, ORIGINAL_LETTER, Size
from volumes.variant_formats import QUALITY_MAX, VariantFormats

CACHED_INFO_SECONDS_MAX = 30


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
    tables = read_map_tables(top)
    cluster = Cluster(
        name=top.text("name", "glassplate"),
        public_url=top.http_url("public_url"),
        keys_file=top.text("keys_file"),
        queue_url=_read_queue_url(top),
        queue_password_file=top.text("queue_password_file", ""),
        memcached=top.addresses("memcached", []),
        strict=top.one_of("durability", ("degraded", "strict"), "degraded") == "strict",
        strict_deletes=_read_strict_deletes(top.table("deletes")),
        limits=_read_limits(top.table("limits")),
        tls=_read_tls(top.table("tls")),
        sizes=_read_sizes(top),
        variant_formats=_read_variant_formats(top.table("images")),
        nodes=tables.nodes,
        gone_nodes=tables.gone_nodes,
        volumes=tables.volumes,
        masters=tables.masters,
        edges=tables.edges,
        ingests=tables.ingests,
        webhook_urls=_read_webhook_urls(top.table("webhooks")),
        applications=read_applications(top, tables.volumes),
    )
    top.report_unknown_keys()
    _check_internal_addresses(cluster, top)
    if problems:
        raise InvalidConfig(tuple(problems))
    return cluster


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
        move_bytes_per_second=table.integer(
            "move_bytes_per_second", default.move_bytes_per_second, least=1
        ),
        volume_bytes_max=table.integer("volume_bytes_max", default.volume_bytes_max),
    )
    table.report_unknown_keys()
    return limits


def _read_queue_url(top: Table) -> str:
    url = top.text("queue_url")
    if top.text("queue_password_file", "") and "@" in url:
        top.add_problem("queue_url", "has a login, and there is also a queue_password_file")
    return url


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
    for node in cluster.nodes.values():
        if node.read_tls is not None and not cluster.tls.internal:
            message = 'needs the certificates of [tls] internal = "on"'
            top.add_problem(f"nodes.{node.id}.read_tls", message)
    """Add a problem for each storagemaster that workers cannot reach by TLS."""
    for id_, master in cluster.masters.items():
        if cluster.tls.internal and master.internal is None:
            top.add_problem(
                f"masters.{id_}.internal",
                'is missing: with TLS, workers need an address of their own, as in "10.0.0.1:8290"',
            )
