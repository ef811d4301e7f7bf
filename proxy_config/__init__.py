"""Configs of nginx and Varnish edges, rendered as text from the cluster config."""

from proxy_config.edge_settings import IngestSettings, NginxSettings, TlsFiles, VarnishSettings
from proxy_config.errors import InvalidSetting, ProxyConfigError, UnknownEdge, UnusableReadKey
from proxy_config.ingest import ingest_command, render_ingest
from proxy_config.nginx import nginx_command, render_nginx
from proxy_config.routing import RouteTable, find_edge, route_table
from proxy_config.varnish import render_varnish, varnish_command

__all__ = [
    "IngestSettings",
    "InvalidSetting",
    "NginxSettings",
    "ProxyConfigError",
    "RouteTable",
    "TlsFiles",
    "UnknownEdge",
    "UnusableReadKey",
    "VarnishSettings",
    "find_edge",
    "ingest_command",
    "nginx_command",
    "render_ingest",
    "render_nginx",
    "render_varnish",
    "route_table",
    "varnish_command",
]
