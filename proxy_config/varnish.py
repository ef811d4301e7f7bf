"""Varnish edges: VCL and command line."""

import hashlib
import ipaddress
from collections.abc import Mapping

from permission_urls import MALFORMED_REGEX, NO_EXPIRY, PERMISSION_URL_REGEX, cache_control
from permission_urls.restrictions import SLACK_SECONDS
from proxy_config.edge_settings import VARNISH_PROGRAM, VarnishSettings, allowed_purge_networks
from proxy_config.read_keys import check_read_keys, fingerprint_of, keys_with_zero_bytes
from proxy_config.routing import COUNT_COLUMNS, find_edge, route_table
from proxy_config.templating import render_template
from runtime.request_scope import ID_PATTERN
from storagenode.protocol.agreement import KEYS_HEADER, MAP_HEADER
from storagenode.protocol.routes import FRONT_LINES
from volumes.cluster import Cluster, Edge
from volumes.map_digest import map_digest
from volumes.sizes import Size, size_classes

CONFIG_NAME = "edge.vcl"
PID_NAME = "_.pid"
"""In the working directory."""
ROUTES_NAME = "routes.vcl"
"""The only file that depends on the nodes and volumes."""
KEYS_NAME = "keys.vcl"
"""The only file with secrets; write it with mode 0600."""

_PARAMETERS = (
    # Photos are already compressed, and a node must not compress them.
    *("-p", "http_gzip_support=off"),
    # A large photo can evict many small ones.
    *("-p", "nuke_limit=100000"),
    # A slow client holds a thread; other clients wait for a new thread and are not rejected.
    *("-p", "thread_pool_min=250"),
    *("-p", "thread_queue_limit=2000"),
    # Enough to try each of many mirrors twice.
    *("-p", "max_retries=16"),
    # The same limits as in nginx.
    *("-p", "timeout_idle=65"),
    *("-p", "idle_send_timeout=30"),
    *("-p", "http_req_hdr_len=8k"),
)

# One photo can take this fraction of the cache; a larger one would evict too many others.
_CACHE_FRACTION_PER_PHOTO = 8


def render_varnish(
    cluster: Cluster, settings: VarnishSettings, read_keys: Mapping[str, str]
) -> dict[str, str]:
    """Render the files of one Varnish edge, by name. They belong in one directory.

    `read_keys` has each accepted read key as 64 hex characters, by key id. Only `keys.vcl` has
    them. vmod-digest cannot use a key with a zero byte; the nodes check the URLs of such a key,
    and Varnish does not cache their photos.

    Raises:
        UnknownEdge: The cluster has no Varnish edge with this id.
        InvalidSetting: Varnish cannot start with these settings.
        UnusableReadKey: A key is malformed or missing.
    """
    check_read_keys(read_keys)
    edge = find_edge(cluster, settings.edge_id, "varnish")
    letters_of_class = _letters_of_class(cluster.sizes)
    values = {
        "edge": edge,
        "settings": settings,
        "table": route_table(cluster, edge.colo),
        "count_columns": COUNT_COLUMNS,
        "purge_networks": allowed_purge_networks(cluster, settings.purge_networks),
        "object_bytes_max": settings.cache_bytes // _CACHE_FRACTION_PER_PHOTO,
        "read_keys": read_keys,
        "keys_with_zero_bytes": keys_with_zero_bytes(read_keys),
        "letters_of_class": letters_of_class,
        "map_header": MAP_HEADER,
        "map_digest": map_digest(cluster),
        "keys_header": KEYS_HEADER,
        "read_keys_fingerprint": fingerprint_of(read_keys),
        "keys_fingerprint": _fingerprint(read_keys, letters_of_class),
        "permanent": cache_control(NO_EXPIRY, 0),
        "permission_url_regex": PERMISSION_URL_REGEX,
        "malformed_regex": MALFORMED_REGEX,
        "request_id_regex": ID_PATTERN,
        "front_lines": FRONT_LINES,
        "slack_seconds": SLACK_SECONDS,
        "vcl_name": _vcl_name,
        "vcl_network": _vcl_network,
    }
    names = (CONFIG_NAME, ROUTES_NAME, KEYS_NAME)
    return {name: render_template(f"{name}.j2", values) for name in names}


def varnish_command(
    edge: Edge, settings: VarnishSettings, config_dir: str, *, program: str = VARNISH_PROGRAM
) -> list[str]:
    """Return the command that runs Varnish in the foreground, with its files in `config_dir`."""
    return [
        program,
        *(("-j", settings.jail) if settings.jail else ()),
        *("-F", "-n", work_dir(settings)),
        *("-f", f"{config_dir}/{CONFIG_NAME}"),
        *("-a", f"http={edge.listen},HTTP"),
        *("-a", f"purge={edge.purge},HTTP"),
        *("-s", f"malloc,{settings.cache_bytes}"),
        # Uncached objects are also bounded: a failed request is better than no memory.
        *("-s", f"Transient=malloc,{settings.cache_bytes}"),
        *_PARAMETERS,
    ]


def work_dir(settings: VarnishSettings) -> str:
    """Return Varnish's working directory, which its tools need."""
    return f"{settings.run_dir}/varnish"


def _letters_of_class(sizes: tuple[Size, ...]) -> tuple[tuple[str, str], ...]:
    letters: dict[str, str] = {}
    for letter, size_class in size_classes(sizes).items():
        letters[size_class] = letters.get(size_class, "") + letter
    return tuple(letters.items())


def _fingerprint(
    read_keys: Mapping[str, str], letters_of_class: tuple[tuple[str, str], ...]
) -> str:
    """Hash the keys and classes. The hash reveals nothing about keys of 32 random bytes."""
    text = repr((sorted(read_keys.items()), letters_of_class))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _vcl_name(name: str) -> str:
    # No id has an underscore, so distinct names stay distinct.
    return name.replace("-", "_")


def _vcl_network(network: str) -> str:
    parsed = ipaddress.ip_network(network)
    return f'"{parsed.network_address}"/{parsed.prefixlen}'
