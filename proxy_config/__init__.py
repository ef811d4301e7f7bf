"""Configs of nginx and Varnish edges, rendered from the cluster as plain text."""

from proxy_config.edge_settings import NginxChoices, TlsFiles, VarnishChoices
from proxy_config.errors import ProxyConfigError, UnknownEdge, UnusableChoice, UnusableReadKey
from proxy_config.nginx import nginx_command, render_nginx
from proxy_config.routing import MirrorRoute, find_edge, mirror_routes
from proxy_config.varnish import render_varnish, varnish_command

__all__ = [
    "MirrorRoute",
    "NginxChoices",
    "ProxyConfigError",
    "TlsFiles",
    "UnknownEdge",
    "UnusableChoice",
    "UnusableReadKey",
    "VarnishChoices",
    "find_edge",
    "mirror_routes",
    "nginx_command",
    "render_nginx",
    "render_varnish",
    "varnish_command",
]
