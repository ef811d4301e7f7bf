"""`glassplate proxy-config`: prints no keys, and writes all files or none."""

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from glassplate.cli.main import main
from glassplate.edges.rendered_edge import read_keys_of
from glassplate.local.plan import LocalPorts, render_local_cluster
from permission_urls import load_keys
from proxy_config.edge_settings import NginxSettings, TlsFiles, VarnishSettings
from proxy_config.nginx import nginx_command, render_nginx
from proxy_config.varnish import render_varnish, varnish_command
from volumes.address import Address
from volumes.config.cluster_file import load_cluster

VENV_BIN = Path(sys.executable).parent
NGINX_FILES = {
    "nginx.conf",
    "signing.lua",
    "permission.lua",
    "reproxy.lua",
    "resolve.lua",
    "routes.lua",
    "nodes.lua",
    "purge.lua",
    "counters.lua",
    "sessions.lua",
    "keys.lua",
}


@pytest.fixture(name="site")
def _site(tmp_path, free_port):
    """Return a folder with the config and keys of a cluster, and folders for an edge."""
    config = render_local_cluster(LocalPorts(free_port() // 64 * 64))
    (tmp_path / "cluster.toml").write_text(config)
    for name in ("run", "cache"):
        (tmp_path / name).mkdir()
    assert glassplate(tmp_path, "keys", "init").exit_code == 0
    return tmp_path


@pytest.fixture(name="proxy_config")
def _proxy_config(site):
    """Return a function that runs `glassplate proxy-config` for the cluster."""
    return lambda *arguments: glassplate(site, "proxy-config", *arguments)


@pytest.fixture(name="cluster")
def _cluster(site):
    """Return the cluster."""
    return load_cluster(site / "cluster.toml")


@pytest.fixture(name="read_keys")
def _read_keys(site):
    """Return the keys that edges of the cluster verify permissions with."""
    return read_keys_of(load_keys(site / "keys.toml"))


def glassplate(site, *arguments):
    """Run a command line for the cluster of a folder."""
    options = ["--cluster", str(site / "cluster.toml")]
    return CliRunner().invoke(main, [*options, *map(str, arguments)])


def files_in(folder):
    """Return the texts of the files in a folder, by name."""
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_prints_the_main_file_alone(proxy_config, cluster, read_keys):
    """Without --out, nginx.conf is on stdout, and the names of the other files are on stderr."""
    shown = proxy_config("nginx", "--edge", "east-nginx")
    assert shown.exit_code == 0
    settings = NginxSettings(
        edge_id="east-nginx",
        cache_dir="/var/cache/glassplate",
        cache_bytes=10 * 1024**3,
        run_dir="/run/glassplate",
    )
    assert shown.stdout == render_nginx(cluster, settings, read_keys)["nginx.conf"]
    assert "keys.lua" in shown.stderr
    assert "--out" in shown.stderr


@pytest.mark.parametrize(("kind", "main_file"), [("nginx", "nginx.conf"), ("varnish", "edge.vcl")])
def test_prints_no_key(kind, main_file, proxy_config, read_keys):
    """Printed configs can end up in logs, so they contain no key."""
    shown = proxy_config(kind, "--colo", "east")
    assert shown.exit_code == 0, main_file
    for read_key in read_keys.values():
        assert read_key not in shown.stdout + shown.stderr


def test_keys_are_never_printed(proxy_config, monkeypatch):
    """A main file with keys is not printed."""
    monkeypatch.setattr("proxy_config.nginx.KEYS_NAME", "nginx.conf")
    refused = proxy_config("nginx", "--colo", "east")
    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert "use --out" in refused.stderr


def test_writes_all_files_of_nginx(proxy_config, site, cluster, read_keys):
    """Every option reaches the files, and the command that runs the edge is on stdout."""
    out = site / "edges" / "east"
    done = proxy_config(
        *("nginx", "--colo", "east", "--out", out),
        *("--cache-dir", "/srv/cache", "--cache-bytes", "20G", "--run-dir", "/srv/run"),
        *("--workers", 7, "--user", "www-data"),
        *("--varnish-tier", "10.0.0.1:80", "--varnish-tier", "10.0.0.2:80"),
        *("--tls-cert", "/tls/chain.pem", "--tls-key", "/tls/key.pem"),
        *("--purge-network", "10.1.0.0/16", "--purge-network", "10.2.0.1"),
    )
    assert done.exit_code == 0
    settings = NginxSettings(
        edge_id="east-nginx",
        cache_dir="/srv/cache",
        cache_bytes=20 * 1024**3,
        run_dir="/srv/run",
        worker_processes=7,
        worker_user="www-data",
        varnish_tier=(Address("10.0.0.1", 80), Address("10.0.0.2", 80)),
        tls=TlsFiles(certificate="/tls/chain.pem", key="/tls/key.pem"),
        purge_networks=("10.1.0.0/16", "10.2.0.1"),
    )
    assert files_in(out) == render_nginx(cluster, settings, read_keys)
    assert files_in(out).keys() == NGINX_FILES
    assert shlex.split(done.stdout) == nginx_command(settings, str(out))


def test_writes_all_files_of_varnish(proxy_config, site, cluster, read_keys):
    """Every option reaches the files, and the command that runs the edge is on stdout."""
    out = site / "edges" / "varnish"
    done = proxy_config(
        *("varnish", "--edge", "varnish", "--out", out),
        *("--cache-bytes", "512M", "--run-dir", "/srv/run", "--purge-network", "10.1.0.0/16"),
    )
    assert done.exit_code == 0
    settings = VarnishSettings(
        edge_id="varnish",
        cache_bytes=512 * 1024**2,
        run_dir="/srv/run",
        purge_networks=("10.1.0.0/16",),
    )
    assert files_in(out) == render_varnish(cluster, settings, read_keys)
    assert shlex.split(done.stdout) == varnish_command(cluster.edges["varnish"], settings, str(out))


@pytest.mark.parametrize(("kind", "keys"), [("nginx", "keys.lua"), ("varnish", "keys.vcl")])
def test_only_their_owner_reads_the_keys(kind, keys, proxy_config, site):
    """The mode is 0600 with any umask, and after a file that all could read."""
    (site / "out").mkdir()
    (site / "out" / keys).write_text("old")
    (site / "out" / keys).chmod(0o666)
    umask = os.umask(0)
    try:
        assert proxy_config(kind, "--colo", "east", "--out", site / "out").exit_code == 0
    finally:
        os.umask(umask)
    assert stat.S_IMODE((site / "out" / keys).stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["nginx", "varnish"])
def test_the_server_accepts_what_is_rendered(kind, proxy_config, site):
    """A real `nginx -t` or `varnishd -C` accepts the files."""
    places = ["--cache-dir", site / "cache"] if kind == "nginx" else []
    done = proxy_config(
        *(kind, "--colo", "east", "--out", site / "out", "--check"),
        *("--run-dir", site / "run", *places),
    )
    assert done.exit_code == 0, done.stderr


def test_files_that_the_server_rejects_are_not_written(proxy_config, site):
    """The old files stay, and the server's message is on stderr."""
    arguments = ["nginx", "--colo", "east", "--out", site / "out", "--cache-dir", site / "cache"]
    assert proxy_config(*arguments, "--run-dir", site / "run").exit_code == 0
    before = files_in(site / "out")
    refused = proxy_config(*arguments, "--run-dir", site / "nowhere", "--check")
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert str(site / "nowhere") in refused.stderr
    assert files_in(site / "out") == before


def test_a_check_fails_without_the_server(proxy_config, site, monkeypatch):
    """--check writes nothing if the server is not installed."""
    monkeypatch.setattr("glassplate.edges.rendered_edge.shutil.which", lambda _: None)
    refused = proxy_config("nginx", "--colo", "east", "--out", site / "out", "--check")
    assert refused.exit_code == 1
    assert "/usr/sbin/nginx is not installed" in refused.stderr
    assert files_in(site / "out") == {}


def test_a_check_that_takes_too_long_is_reported(proxy_config, site, monkeypatch):
    """A server that does not end its check leaves the old files, with the reason and a way out."""
    monkeypatch.setattr("glassplate.edges.rendered_edge.CHECK_SECONDS_MAX", 0.01)
    refused = proxy_config("varnish", "--colo", "east", "--out", site / "out", "--check")
    assert refused.exit_code == 1
    assert "did not check the files within 0.01 s; nothing was written" in refused.stderr
    assert files_in(site / "out") == {}


def test_a_full_disk_leaves_the_old_files(proxy_config, site):
    """All files are written before the first one replaces an old one."""
    arguments = ["nginx", "--colo", "east", "--out", site / "out"]
    assert proxy_config(*arguments).exit_code == 0
    before = files_in(site / "out")
    # With this limit on file sizes, the small files fit and nginx.conf does not.
    limited = ["prlimit", "--fsize=2500", "--", "glassplate"]
    options = ["--cluster", site / "cluster.toml", "proxy-config"]
    failed = subprocess.run(
        [*limited, *map(str, [*options, *arguments, "--workers", 9])],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{VENV_BIN}{os.pathsep}{os.environ['PATH']}"},
    )
    assert failed.returncode == 1
    assert "File too large" in failed.stderr
    assert files_in(site / "out") == before


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nginx"], "--edge ID"),
        (["nginx", "--edge", "east-nginx", "--colo", "east"], "--edge ID"),
        (["nginx", "--edge", "varnish"], "no nginx edge 'varnish'"),
        (["nginx", "--colo", "north"], "east-nginx in east, west-nginx in west"),
        (["varnish", "--colo", "west"], "no varnish edge in colo 'west'"),
        (["nginx", "--colo", "east", "--check"], "--check requires --out"),
        (["nginx", "--colo", "east", "--tls-cert", "/tls/chain.pem"], "require each other"),
        (["nginx", "--colo", "east", "--cache-bytes", "20Q"], "512M or 20G"),
        (["nginx", "--colo", "east", "--cache-bytes", "1K"], "cache_bytes: must be at least"),
        (["nginx", "--colo", "east", "--cache-dir", "cache"], "not a plain absolute path"),
        (["nginx", "--colo", "east", "--varnish-tier", "varnish"], "a host and a port"),
        (["nginx", "--colo", "east", "--purge-network", "masters"], "not an IP address"),
        (["nginx", "--colo", "east", "--user", "www data"], "not a user name"),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)
def test_invalid_options_are_reported(arguments, why, proxy_config):
    """The exit status is 2, the reason is on stderr, and stdout is empty."""
    refused = proxy_config(*arguments)
    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert why in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_colo_with_several_edges_requires_an_id(proxy_config, site):
    """The message lists the edges of the colo."""
    config = site / "cluster.toml"
    config.write_text(config.read_text().replace('colo = "west"\nkind', 'colo = "east"\nkind'))
    refused = proxy_config("nginx", "--colo", "east")
    assert refused.exit_code == 2
    assert "--edge with one of: east-nginx, west-nginx" in refused.stderr


def test_an_edge_requires_keys(proxy_config, site):
    """The message names the missing key file."""
    (site / "keys.toml").unlink()
    refused = proxy_config("nginx", "--colo", "east")
    assert refused.exit_code == 2
    assert "keys.toml" in refused.stderr


def test_an_invalid_config_is_reported_with_all_faults(proxy_config, site):
    """Each fault has a line."""
    (site / "cluster.toml").write_text('name = 7\nkeys_file = ""\n')
    refused = proxy_config("nginx", "--colo", "east")
    assert refused.exit_code == 2
    assert "name: must be a string" in refused.stderr
    assert "nodes: is missing" in refused.stderr
