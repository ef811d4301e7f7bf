"""Validation of settings."""

from dataclasses import replace

import pytest

from proxy_config import InvalidSetting, NginxSettings, TlsFiles, VarnishSettings, render_nginx
from tests.proxy_config.golden_configs import READ_KEYS, golden_cluster
from volumes.address import Address

NGINX = {"edge_id": "east-nginx", "cache_dir": "/c", "cache_bytes": 1 << 30, "run_dir": "/r"}
VARNISH = {"edge_id": "east-varnish", "cache_bytes": 1 << 30, "run_dir": "/r"}


@pytest.mark.parametrize(
    "bad",
    [
        {"cache_dir": "relative"},
        {"cache_dir": "/with space"},
        {"cache_dir": "/x;"},
        {"run_dir": "/$x"},
        {"module_dir": "/x\n"},
        {"site_include": "/x/*.conf;"},
        {"worker_user": "www data"},
        {"worker_processes": 0},
        {"verified_urls_max": 0},
        {"cache_bytes": 10},
        {"revalidate_after_seconds": 0},
        {"connect_timeout_milliseconds": 0},
        {"purge_networks": ("anywhere",)},
        {"purge_networks": ("10.0.0.1/8",)},
        {"purge_networks": ("0.0.0.0/0",)},
    ],
    ids=str,
)
def test_bad_nginx_settings_are_rejected(bad):
    """The message names the setting."""
    with pytest.raises(InvalidSetting, match=next(iter(bad))):
        NginxSettings(**(NGINX | bad))


@pytest.mark.parametrize(
    "bad",
    [
        {"run_dir": "r"},
        {"jail": "none; rm"},
        {"cache_bytes": 10},
        {"purge_networks": ("::/0",)},
        {"revalidate_after_seconds": -1},
        {"connect_timeout_milliseconds": 0},
    ],
    ids=str,
)
def test_bad_varnish_settings_are_rejected(bad):
    """The message names the setting."""
    with pytest.raises(InvalidSetting, match=next(iter(bad))):
        VarnishSettings(**(VARNISH | bad))


@pytest.mark.parametrize("bad", [{"certificate": "c.pem"}, {"key": "/k e y"}], ids=str)
def test_bad_tls_files_are_refused(bad):
    """Paths must be absolute and plain."""
    with pytest.raises(InvalidSetting, match=next(iter(bad))):
        TlsFiles(**({"certificate": "/c", "key": "/k"} | bad))


def test_storagemasters_may_purge_by_default():
    """By default the addresses of the storagemasters can purge."""
    text = render_nginx(golden_cluster(), NginxSettings(**NGINX), READ_KEYS)["nginx.conf"]
    assert "allow 10.1.0.9;" in text
    assert "allow fd00:2::9;" in text
    assert "deny all;" in text


def test_storagemasters_with_host_names_need_networks():
    """Host names need explicit networks, because the servers' lists accept only addresses."""
    cluster = golden_cluster()
    named = replace(cluster.masters["east-master"], address=Address("master-1", 7001))
    cluster = replace(cluster, masters={"east-master": named})
    with pytest.raises(InvalidSetting, match="purge_networks"):
        render_nginx(cluster, NginxSettings(**NGINX), READ_KEYS)
    chosen = NginxSettings(**NGINX, purge_networks=("172.16.0.0/12",))
    assert "allow 172.16.0.0/12;" in render_nginx(cluster, chosen, READ_KEYS)["nginx.conf"]
