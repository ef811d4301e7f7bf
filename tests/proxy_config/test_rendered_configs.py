"""Rendered configs: golden, valid, and free of secrets and dangerous features."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from proxy_config import (
    NginxSettings,
    UnknownEdge,
    UnusableReadKey,
    VarnishSettings,
    nginx_command,
    render_nginx,
    render_varnish,
    varnish_command,
)
from tests.edge_servers import write_files
from tests.proxy_config.golden_configs import (
    EAST_NGINX,
    EAST_VARNISH,
    GOLDEN,
    READ_KEYS,
    VARNISH_READ_KEYS,
    WEST_NGINX,
    golden_cluster,
    rendered,
)
from volumes.address import Address

NGINX_EDGES = pytest.mark.parametrize("choices", [EAST_NGINX, WEST_NGINX], ids=lambda c: c.edge_id)
LUA_BLOCK = re.compile(r"_by_lua_block [^{]*\{(?:[^{}]|\{[^{}]*\})*\}")
SECRET_FILES = {"keys.lua", "keys.vcl"}


@pytest.fixture(name="cluster", scope="module")
def _cluster():
    return golden_cluster()


@pytest.fixture(name="folder")
def _folder():
    """Return a directory that every user can read."""
    folder = Path(tempfile.mkdtemp(prefix="edge-"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("path", sorted(rendered()))
def test_rendered_text_is_golden(path):
    """The rendered text is equal to the golden files; golden_configs writes them."""
    assert rendered()[path] == (GOLDEN / path).read_text()


def test_no_golden_file_is_left_over():
    """Every golden file is still rendered."""
    files = {str(p.relative_to(GOLDEN)) for p in GOLDEN.rglob("*") if p.is_file()}
    assert files == {*rendered(), "cluster.toml"}


@NGINX_EDGES
def test_nginx_accepts_its_config(cluster, folder, choices, free_port):
    """`nginx -t` accepts the config, with and without TLS and tier."""
    edge = cluster.edges[choices.edge_id]
    listen, purge = (Address("127.0.0.1", free_port()) for _ in range(2))
    cluster = replace(cluster, edges={edge.id: replace(edge, listen=listen, purge=purge)})
    tls = choices.tls and type(choices.tls)(certificate=f"{folder}/c.pem", key=f"{folder}/k.pem")
    if tls:
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-subj",
                "/CN=x",
                "-keyout",
                tls.key,
                "-out",
                tls.certificate,
            ],
            check=True,
            capture_output=True,
        )
    here = NginxSettings(
        edge_id=choices.edge_id,
        cache_dir=f"{folder}/cache",
        cache_bytes=choices.cache_bytes,
        run_dir=str(folder),
        tls=tls,
        varnish_tier=choices.varnish_tier,
        purge_networks=choices.purge_networks,
        site_include=f"{folder}/none-*.conf",
    )
    config = folder / "config"
    write_files(config, render_nginx(cluster, here, READ_KEYS))
    command = [*nginx_command(here, str(config)), "-t"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not re.findall(r"\[(?:warn|error|alert|crit|emerg)\].*", done.stderr)


def test_varnish_accepts_its_config(cluster, folder):
    """`varnishd -C` compiles the VCL."""
    write_files(folder / "config", render_varnish(cluster, EAST_VARNISH, VARNISH_READ_KEYS))
    command = ["/usr/sbin/varnishd", "-j", "none", "-C", "-n", f"{folder}/work"]
    command += ["-f", f"{folder}/config/edge.vcl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@NGINX_EDGES
def test_nginx_configs_avoid_dangerous_features(cluster, choices):
    """The config has no rewrite, capture, alias, decoded URI, slice, or background update."""
    text = render_nginx(cluster, choices, READ_KEYS)["nginx.conf"]
    lines = [line.strip() for line in text.splitlines() if not line.strip().startswith("#")]
    directives = LUA_BLOCK.sub("{}", "\n".join(lines))
    for banned in ("rewrite", "alias", "slice", "proxy_cache_background_update", "autoindex"):
        assert not re.search(rf"^{banned}\b", directives, re.MULTILINE), banned
    assert not re.search(r"\$(?:uri|document_uri|args|arg_|query_string|http_host)\b", directives)
    assert not re.search(r"\$[0-9]|\(\?<|\(\?P", directives)
    assert not re.search(r"\((?!\?:|\$)", directives.replace("http://", ""))
    for block in re.findall(r"map [^{]*\{([^}]*)\}", directives):
        assert "~" not in block
    assert "server_tokens off;" in lines
    assert "merge_slashes off;" in lines
    assert "max_ranges 1;" in lines


def test_secrets_are_in_the_key_files_only():
    """Only the key files contain secrets."""
    for path, text in rendered().items():
        has_secret = any(key in text for key in (*READ_KEYS.values(), *VARNISH_READ_KEYS.values()))
        assert has_secret == (Path(path).name in SECRET_FILES), path


def test_the_key_file_of_nginx_has_the_keys_and_the_size_classes(cluster):
    """keys.lua has all keys and size classes."""
    text = render_nginx(cluster, EAST_NGINX, READ_KEYS)["keys.lua"]
    found = dict(re.findall(r'^ {8}\["(\w+)"\] = "(\w+)",$', text, re.MULTILINE))
    assert READ_KEYS.items() <= found.items()
    assert (found["m"], found["o"]) == ("web", "original")


def test_only_the_routes_depend_on_the_volumes(cluster):
    """Another map of volumes changes the file of the routes, and the digest of the map."""
    volumes = {number: replace(v, mirrors=v.mirrors[::-1]) for number, v in cluster.volumes.items()}
    other = replace(cluster, volumes={**volumes, 9: replace(volumes[1], number=9)})
    for render, choices, keys, changed in (
        (render_nginx, EAST_NGINX, READ_KEYS, {"routes.lua", "counters.lua"}),
        (render_varnish, EAST_VARNISH, VARNISH_READ_KEYS, {"routes.vcl"}),
    ):
        before, after = (render(of, choices, keys) for of in (cluster, other))
        assert {name for name in before if before[name] != after[name]} == changed


@pytest.mark.parametrize("edge_id", ["unknown", "east-varnish"])
def test_an_unknown_edge_is_rejected(cluster, edge_id):
    """An unknown edge, or one of another kind, raises UnknownEdge."""
    choices = NginxSettings(edge_id=edge_id, cache_dir="/c", cache_bytes=1 << 30, run_dir="/r")
    with pytest.raises(UnknownEdge):
        render_nginx(cluster, choices, READ_KEYS)
    with pytest.raises(UnknownEdge):
        render_varnish(
            cluster,
            VarnishSettings(edge_id="east-nginx", cache_bytes=1 << 30, run_dir="/r"),
            VARNISH_READ_KEYS,
        )


@pytest.mark.parametrize(
    "read_keys",
    [{}, {"A": "0" * 64}, {"toolong": "1" * 64}, {"a": "1" * 63}, {"a": "G" * 64}, {'"': "1" * 64}],
)
def test_bad_read_keys_are_refused(cluster, read_keys):
    """A malformed key raises an error that does not contain the key."""
    for render, choices in ((render_nginx, EAST_NGINX), (render_varnish, EAST_VARNISH)):
        with pytest.raises(UnusableReadKey) as caught:
            render(cluster, choices, read_keys)
        assert not any(key in str(caught.value) for key in read_keys.values())


def test_varnish_gets_no_key_that_it_would_truncate(cluster):
    """A key with a zero byte is not rendered for Varnish; a "00" across two bytes is valid."""
    files = render_varnish(cluster, EAST_VARNISH, {"z": READ_KEYS["a"], "y": "10" + "0f" * 31})
    assert READ_KEYS["a"] not in files["keys.vcl"]
    assert "new key_z" not in files["keys.vcl"]
    assert "new key_y" in files["keys.vcl"]


def test_commands_run_in_the_foreground(cluster):
    """The commands run the servers in the foreground with the written files."""
    command = nginx_command(EAST_NGINX, "/etc/edge")
    assert command[0] == "/usr/sbin/nginx"
    assert command[command.index("-c") + 1] == "/etc/edge/nginx.conf"
    assert command[-1] == "daemon off;"
    command = varnish_command(cluster.edges["east-varnish"], EAST_VARNISH, "/etc/edge")
    assert "-F" in command
    assert command[command.index("-f") + 1] == "/etc/edge/edge.vcl"
    assert "purge=10.1.0.10:6082,HTTP" in command
