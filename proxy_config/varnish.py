"""Varnish edges: VCL and command line, as text."""

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping

from permission_urls import FOR_EVER, MALFORMED_REGEX, PERMISSION_URL_REGEX, cache_control
from proxy_config.edge_settings import VARNISH_PROGRAM, VarnishChoices, purgers
from proxy_config.read_keys import keys_with_zero_bytes, refuse_bad_read_keys
from proxy_config.routing import MirrorRoute, find_edge, mirror_routes
from proxy_config.templating import render_template
from volumes.cluster import Cluster, Edge, Node
from volumes.sizes import Size, size_classes

CONFIG_NAME = "edge.vcl"
KEYS_NAME = "keys.vcl"
"""The one file with secrets in it: write it with mode 0600."""

_PARAMETERS = (
    # Photos are compressed already, and a node must not be asked to.
    *("-p", "http_gzip_support=off"),
    # Room for a large photo takes many small ones.
    *("-p", "nuke_limit=100000"),
    # A client that reads slowly holds a thread; others wait for a new one, and are not refused.
    *("-p", "thread_pool_min=250"),
    *("-p", "thread_queue_limit=2000"),
    # Each of many mirrors may be asked twice.
    *("-p", "max_retries=16"),
    # The limits that nginx has.
    *("-p", "timeout_idle=65"),
    *("-p", "idle_send_timeout=30"),
    *("-p", "http_req_hdr_len=8k"),
)

# One photo may take this part of the cache; more would throw out too many others.
_PARTS_OF_CACHE = 8


def render_varnish(
    cluster: Cluster, choices: VarnishChoices, read_keys: Mapping[str, str]
) -> dict[str, str]:
    """The files of one Varnish edge by name, to be written into one folder.

    `read_keys` has the 64 hex characters of each read key that verifies, by key id.
    `keys.vcl` holds them; no other file has a secret in it. The URLs of a key with a zero byte in
    it, which Varnish cannot hold, are not checked or cached there, but by the nodes.

    Raises:
        UnknownEdge: The cluster has no such Varnish edge.
        UnusableChoice: Varnish could not start with these choices.
        UnusableReadKey: A key is none.
    """
    refuse_bad_read_keys(read_keys)
    edge = find_edge(cluster, choices.edge_id, "varnish")
    routes = mirror_routes(cluster, edge.colo)
    letters_of_class = _letters_of_class(cluster.sizes)
    values = {
        "edge": edge,
        "choices": choices,
        "routes": routes,
        "nodes": _nodes_of(routes),
        "purgers": purgers(cluster, choices.purge_networks),
        "object_bytes_max": choices.cache_bytes // _PARTS_OF_CACHE,
        "read_keys": read_keys,
        "keys_with_zero_bytes": keys_with_zero_bytes(read_keys),
        "letters_of_class": letters_of_class,
        "keys_fingerprint": _fingerprint(read_keys, letters_of_class),
        "permanent": cache_control(FOR_EVER, 0),
        "permission_url_regex": PERMISSION_URL_REGEX,
        "malformed_regex": MALFORMED_REGEX,
        "vcl_name": _vcl_name,
        "vcl_network": _vcl_network,
    }
    return {name: render_template(f"{name}.j2", values) for name in (CONFIG_NAME, KEYS_NAME)}


def varnish_command(
    edge: Edge, choices: VarnishChoices, config_dir: str, *, program: str = VARNISH_PROGRAM
) -> list[str]:
    """The arguments that run Varnish in the foreground, with its files in `config_dir`."""
    return [
        program,
        *(("-j", choices.jail) if choices.jail else ()),
        *("-F", "-n", work_dir(choices)),
        *("-f", f"{config_dir}/{CONFIG_NAME}"),
        *("-a", f"http={edge.listen},HTTP"),
        *("-a", f"purge={edge.purge},HTTP"),
        *("-s", f"malloc,{choices.cache_bytes}"),
        # What only passes through has a bound too: better a refused original than no memory.
        *("-s", f"Transient=malloc,{choices.cache_bytes}"),
        *_PARAMETERS,
    ]


def work_dir(choices: VarnishChoices) -> str:
    """Varnish's own folder, by which its tools find it."""
    return f"{choices.run_dir}/varnish"


def _nodes_of(routes: Iterable[MirrorRoute]) -> tuple[Node, ...]:
    return tuple({node.id: node for route in routes for node in route.nodes}.values())


def _letters_of_class(sizes: tuple[Size, ...]) -> tuple[tuple[str, str], ...]:
    letters: dict[str, str] = {}
    for letter, size_class in size_classes(sizes).items():
        letters[size_class] = letters.get(size_class, "") + letter
    return tuple(letters.items())


def _fingerprint(
    read_keys: Mapping[str, str], letters_of_class: tuple[tuple[str, str], ...]
) -> str:
    """Another text for other keys and classes. It tells nothing of keys of 32 random bytes."""
    all_of_it = repr((sorted(read_keys.items()), letters_of_class))
    return hashlib.sha256(all_of_it.encode()).hexdigest()[:16]


def _vcl_name(name: str) -> str:
    # No id has an underscore, so that two names never become one.
    return name.replace("-", "_")


def _vcl_network(network: str) -> str:
    parsed = ipaddress.ip_network(network)
    return f'"{parsed.network_address}"/{parsed.prefixlen}'
