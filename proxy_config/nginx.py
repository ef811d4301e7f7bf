"""nginx edges: config, Lua scripts, and command line."""

from collections.abc import Mapping

from permission_urls import (
    MALFORMED_REGEX,
    NO_EXPIRY,
    PERMISSION_URL_REGEX,
    cache_control,
)
from permission_urls.restrictions import SLACK_SECONDS
from proxy_config.edge_settings import (
    LUA_MODULE_NAME,
    NGINX_PROGRAM,
    NginxSettings,
    allowed_purge_networks,
    local_disk_root,
    node_tls,
)
from proxy_config.read_keys import check_read_keys, fingerprint_of
from proxy_config.routing import COUNT_COLUMNS, find_edge, route_table
from proxy_config.templating import render_template
from storagenode.protocol.agreement import KEYS_HEADER, MAP_HEADER
from storagenode.protocol.routes import FRONT_LINES
from volumes.cluster import Cluster
from volumes.map_digest import map_digest
from volumes.media_types import MEDIA_TYPES
from volumes.sizes import size_classes

CONFIG_NAME = "nginx.conf"
PID_NAME = "nginx.pid"
ROUTES_NAME = "routes.lua"
"""The only file that depends on the volumes."""
KEYS_NAME = "keys.lua"
"""The only file with secrets; write it with mode 0600."""

PURGE_PATHS_MAX = 100

# A megabyte of the zone holds about 8,000 names; the average size of a file is about 32 KiB.
_CACHE_BYTES_PER_ZONE_MEGABYTE = 8_000 * 32 * 1024
_ZONE_MEGABYTES_MAX = 1024

_SCRIPTS = (
    "signing.lua",
    "permission.lua",
    "reproxy.lua",
    "purge.lua",
    "sessions.lua",
    "counters.lua",
    "resolve.lua",
    "nodes.lua",
)


def render_nginx(
    cluster: Cluster, settings: NginxSettings, read_keys: Mapping[str, str]
) -> dict[str, str]:
    """Render the files of one nginx edge, by name. They belong in one directory.

    `read_keys` has each accepted read key as 64 hex characters, by key id, oldest first. Only
    `keys.lua` contains them.

    Raises:
        UnknownEdge: The cluster has no nginx edge with this id.
        InvalidSetting: nginx cannot start with these settings.
        UnusableReadKey: A key is malformed or missing.
    """
    check_read_keys(read_keys)
    edge = find_edge(cluster, settings.edge_id, "nginx")
    values: dict[str, object] = {
        "edge": edge,
        "node_tls": node_tls(cluster, edge),
        "settings": settings,
        "lua_module_name": LUA_MODULE_NAME,
        "table": route_table(cluster, edge.colo),
        "count_columns": COUNT_COLUMNS,
        "map_header": MAP_HEADER,
        "map_digest": map_digest(cluster),
        "keys_header": KEYS_HEADER,
        "read_keys_fingerprint": fingerprint_of(read_keys),
        "disk": local_disk_root(cluster, edge, settings.disk_node),
        "media_types": MEDIA_TYPES,
        "key_ids": tuple(read_keys),
        "read_keys": read_keys,
        "size_classes": size_classes(cluster.sizes),
        "permanent": cache_control(NO_EXPIRY, 0),
        "purge_networks": allowed_purge_networks(cluster, settings.purge_networks),
        "keys_zone_megabytes": _keys_zone_megabytes(settings.cache_bytes),
        "purge_paths_max": PURGE_PATHS_MAX,
        "permission_url_regex": PERMISSION_URL_REGEX,
        "malformed_regex": MALFORMED_REGEX,
        "front_lines": FRONT_LINES,
        "slack_seconds": SLACK_SECONDS,
    }
    names = (CONFIG_NAME, *_SCRIPTS, ROUTES_NAME, KEYS_NAME)
    return {name: render_template(f"{name}.j2", values) for name in names}


def nginx_command(
    settings: NginxSettings, config_dir: str, *, program: str = NGINX_PROGRAM
) -> list[str]:
    """Return the command that runs nginx in the foreground, with its files in `config_dir`."""
    return command_in(settings.run_dir, config_dir, program=program)


def command_in(run_dir: str, config_dir: str, *, program: str) -> list[str]:
    """Return the command that runs any nginx in the foreground."""
    return [
        program,
        "-e",
        f"{run_dir}/error.log",
        "-p",
        config_dir,
        "-c",
        f"{config_dir}/{CONFIG_NAME}",
        "-g",
        "daemon off;",
    ]


def _keys_zone_megabytes(cache_bytes: int) -> int:
    wanted = -(-cache_bytes // _CACHE_BYTES_PER_ZONE_MEGABYTE)
    return min(max(wanted, 1), _ZONE_MEGABYTES_MAX)
