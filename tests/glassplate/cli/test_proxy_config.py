"""`glassplate proxy-config`: printed without keys, or written whole or not at all."""

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from glassplate.cli.main import main
from glassplate.edges.files import read_keys_of
from glassplate.local.plan import LocalPorts, render_local_cluster
from permission_urls import load_keys
from proxy_config.edge_settings import NginxSettings, TlsFiles, VarnishSettings
from proxy_config.nginx import nginx_command, render_nginx
from proxy_config.varnish import render_varnish, varnish_command
from volumes.address import Address
from volumes.cluster_file import load_cluster

VENV_BIN = Path(sys.executable).parent
NGINX_FILES = {
    "nginx.conf",
    "signing.lua",
    "permission.lua",
    "reproxy.lua",
    "resolve.lua",
    "nodes.lua",
    "purge.lua",
    "keys.lua",
}


@pytest.fixture(name="site")
def _site(tmp_path, free_port):
    """A folder with the config and the keys of a cluster, and folders for an edge to run in."""
    config = render_local_cluster(LocalPorts(free_port() // 64 * 64))
    (tmp_path / "cluster.toml").write_text(config)
    for name in ("run", "cache"):
        (tmp_path / name).mkdir()
    assert glassplate(tmp_path, "keys", "init").exit_code == 0
    return tmp_path


@pytest.fixture(name="proxy_config")
def _proxy_config(site):
    """Runs `glassplate proxy-config` for that cluster."""
    return lambda *arguments: glassplate(site, "proxy-config", *arguments)


@pytest.fixture(name="cluster")
def _cluster(site):
    """The cluster itself."""
    return load_cluster(site / "cluster.toml")


@pytest.fixture(name="read_keys")
def _read_keys(site):
    """What edges of the cluster check permissions with."""
    return read_keys_of(load_keys(site / "keys.toml"))


def glassplate(site, *arguments):
    """Run a command line for the cluster of a folder."""
    options = ["--cluster", str(site / "cluster.toml")]
    return CliRunner().invoke(main, [*options, *map(str, arguments)])


def files_in(folder):
    """All files of a folder, by name."""
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_prints_the_main_file_alone(proxy_config, cluster, read_keys):
    """Without --out: nginx.conf on stdout, and what it needs beside it on stderr."""
    shown = proxy_config("nginx", "--edge", "east-nginx")
    assert shown.exit_code == 0
    choices = NginxSettings(
        edge_id="east-nginx",
        cache_dir="/var/cache/glassplate",
        cache_bytes=10 * 1024**3,
        run_dir="/run/glassplate",
    )
    assert shown.stdout == render_nginx(cluster, choices, read_keys)["nginx.conf"]
    assert "keys.lua" in shown.stderr
    assert "--out" in shown.stderr


@pytest.mark.parametrize(("kind", "main_file"), [("nginx", "nginx.conf"), ("varnish", "edge.vcl")])
def test_prints_no_key(kind, main_file, proxy_config, read_keys):
    """What is printed may end in a log."""
    shown = proxy_config(kind, "--colo", "east")
    assert shown.exit_code == 0, main_file
    for read_key in read_keys.values():
        assert read_key not in shown.stdout + shown.stderr


def test_refuses_to_print_keys(proxy_config, monkeypatch):
    """Should the main file ever hold some."""
    monkeypatch.setattr("proxy_config.nginx.KEYS_NAME", "nginx.conf")
    refused = proxy_config("nginx", "--colo", "east")
    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert "give --out" in refused.stderr


def test_writes_all_files_of_nginx(proxy_config, site, cluster, read_keys):
    """With every choice in its place, and the command that runs the edge on stdout."""
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
    choices = NginxSettings(
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
    assert files_in(out) == render_nginx(cluster, choices, read_keys)
    assert files_in(out).keys() == NGINX_FILES
    assert shlex.split(done.stdout) == nginx_command(choices, str(out))


def test_writes_all_files_of_varnish(proxy_config, site, cluster, read_keys):
    """The same."""
    out = site / "edges" / "varnish"
    done = proxy_config(
        *("varnish", "--edge", "varnish", "--out", out),
        *("--cache-bytes", "512M", "--run-dir", "/srv/run", "--purge-network", "10.1.0.0/16"),
    )
    assert done.exit_code == 0
    choices = VarnishSettings(
        edge_id="varnish",
        cache_bytes=512 * 1024**2,
        run_dir="/srv/run",
        purge_networks=("10.1.0.0/16",),
    )
    assert files_in(out) == render_varnish(cluster, choices, read_keys)
    assert shlex.split(done.stdout) == varnish_command(cluster.edges["varnish"], choices, str(out))


@pytest.mark.parametrize(("kind", "keys"), [("nginx", "keys.lua"), ("varnish", "keys.vcl")])
def test_only_their_owner_reads_the_keys(kind, keys, proxy_config, site):
    """Whatever the umask is, and also where a file of old was open to all."""
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
    """As a real nginx -t and varnishd -C say."""
    places = ["--cache-dir", site / "cache"] if kind == "nginx" else []
    done = proxy_config(
        *(kind, "--colo", "east", "--out", site / "out", "--check"),
        *("--run-dir", site / "run", *places),
    )
    assert done.exit_code == 0, done.stderr


def test_what_the_server_refuses_is_not_written(proxy_config, site):
    """The files that were there go on being used; it says what the server said."""
    arguments = ["nginx", "--colo", "east", "--out", site / "out", "--cache-dir", site / "cache"]
    assert proxy_config(*arguments, "--run-dir", site / "run").exit_code == 0
    before = files_in(site / "out")
    refused = proxy_config(*arguments, "--run-dir", site / "nowhere", "--check")
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert str(site / "nowhere") in refused.stderr
    assert files_in(site / "out") == before


def test_without_the_server_nothing_counts_as_checked(proxy_config, site, monkeypatch):
    """A check that was asked for and cannot be made is no success."""
    monkeypatch.setattr("glassplate.edges.rendered_edge.NGINX_PROGRAM", "/nowhere/nginx")
    refused = proxy_config("nginx", "--colo", "east", "--out", site / "out", "--check")
    assert refused.exit_code == 1
    assert "/nowhere/nginx is not here" in refused.stderr
    assert files_in(site / "out") == {}


def test_a_full_disk_leaves_the_old_files(proxy_config, site):
    """All are written before the first is replaced."""
    arguments = ["nginx", "--colo", "east", "--out", site / "out"]
    assert proxy_config(*arguments).exit_code == 0
    before = files_in(site / "out")
    # No file may be larger than this: the small ones would fit, nginx.conf does not.
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
        (["nginx", "--edge", "varnish"], "no nginx edge varnish"),
        (["nginx", "--colo", "north"], "east-nginx in east, west-nginx in west"),
        (["varnish", "--colo", "west"], "no varnish edge in colo west"),
        (["nginx", "--colo", "east", "--check"], "--check needs --out"),
        (["nginx", "--colo", "east", "--tls-cert", "/tls/chain.pem"], "need each other"),
        (["nginx", "--colo", "east", "--cache-bytes", "20Q"], "512M or 20G"),
        (["nginx", "--colo", "east", "--cache-bytes", "1K"], "cache_bytes must be at least"),
        (["nginx", "--colo", "east", "--cache-dir", "cache"], "not a plain absolute path"),
        (["nginx", "--colo", "east", "--varnish-tier", "varnish"], "a host and a port"),
        (["nginx", "--colo", "east", "--purge-network", "masters"], "no IP address"),
        (["nginx", "--colo", "east", "--user", "www data"], "not the name of a user"),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_edge_is_said_plainly(arguments, why, proxy_config):
    """Exit status 2, and nothing on stdout."""
    refused = proxy_config(*arguments)
    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert why in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_colo_with_several_edges_wants_one_named(proxy_config, site):
    """It says which there are."""
    config = site / "cluster.toml"
    config.write_text(config.read_text().replace('colo = "west"\nkind', 'colo = "east"\nkind'))
    refused = proxy_config("nginx", "--colo", "east")
    assert refused.exit_code == 2
    assert "--edge east-nginx, west-nginx" in refused.stderr


def test_without_keys_there_is_no_edge(proxy_config, site):
    """It names the file that is missing."""
    (site / "keys.toml").unlink()
    refused = proxy_config("nginx", "--colo", "east")
    assert refused.exit_code == 2
    assert "keys.toml" in refused.stderr


def test_a_wrong_config_is_told_with_all_its_mistakes(proxy_config, site):
    """One line each."""
    (site / "cluster.toml").write_text('name = 7\nkeys_file = ""\n')
    refused = proxy_config("nginx", "--colo", "east")
    assert refused.exit_code == 2
    assert "name: must be a string" in refused.stderr
    assert "nodes: is missing" in refused.stderr


@pytest.mark.parametrize("command", [[], ["nginx"], ["varnish"]], ids=str)
def test_help_has_examples(command, proxy_config):
    """With lines one can paste."""
    shown = proxy_config(*command, "--help").stdout
    assert "glassplate proxy-config" in shown.partition("Example")[2]
