"""Golden configs of edges. Run as a script, it writes them after an intended change.

python -m tests.proxy_config.golden_configs
"""

from collections.abc import Mapping
from pathlib import Path

from proxy_config import NginxSettings, TlsFiles, VarnishSettings, render_nginx, render_varnish
from volumes.address import Address
from volumes.cluster import Cluster
from volumes.config.cluster_config import parse_cluster

GOLDEN = Path(__file__).parent / "golden"
READ_KEYS = {
    "a": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "b2": "e889f1e6c3153ae16357971e74ab79ee02f4c70d175dd647f4ef71ab2fbb5b70",
}
VARNISH_READ_KEYS = READ_KEYS | {"a": READ_KEYS["a"].replace("00", "ff", 1)}

EAST_NGINX = NginxSettings(
    edge_id="east-nginx",
    cache_dir="/var/cache/glassplate",
    cache_bytes=10 * 1024**3,
    run_dir="/run/glassplate",
)
WEST_NGINX = NginxSettings(
    edge_id="west-nginx",
    cache_dir="/srv/cache",
    cache_bytes=200 * 1024**3,
    run_dir="/run/edge",
    worker_processes=8,
    worker_user="www-data",
    tls=TlsFiles(certificate="/etc/glassplate/chain.pem", key="/etc/glassplate/key.pem"),
    varnish_tier=(Address("10.2.0.11", 6081), Address("10.2.0.12", 6081)),
    purge_networks=("10.0.0.0/8", "fd00::/16"),
    site_include="/etc/glassplate/locations/*.conf",
    revalidate_after_seconds=3600,
    connect_timeout_milliseconds=400,
)
EAST_VARNISH = VarnishSettings(
    edge_id="east-varnish", cache_bytes=4 * 1024**3, run_dir="/run/glassplate"
)


def golden_cluster() -> Cluster:
    """Return the cluster of golden/cluster.toml."""
    return parse_cluster((GOLDEN / "cluster.toml").read_text())


def rendered() -> Mapping[str, str]:
    """Return every golden file by its path below golden/."""
    cluster = golden_cluster()
    return {
        f"{settings.edge_id}/{name}": text
        for settings, files in (
            (EAST_NGINX, render_nginx(cluster, EAST_NGINX, READ_KEYS)),
            (WEST_NGINX, render_nginx(cluster, WEST_NGINX, READ_KEYS)),
            (EAST_VARNISH, render_varnish(cluster, EAST_VARNISH, VARNISH_READ_KEYS)),
        )
        for name, text in files.items()
    }


if __name__ == "__main__":
    for path, text in rendered().items():
        (GOLDEN / path).parent.mkdir(exist_ok=True)
        (GOLDEN / path).write_text(text)
