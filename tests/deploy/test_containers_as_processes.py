"""The services of compose.yaml start and serve photos, as processes."""

import io
import json
import shlex
import subprocess
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from permission_urls import Purpose, ReadSigner, load_keys
from tests.deploy.compose_processes import site_of

READY_SECONDS_MAX = 30.0


@pytest.fixture(name="site", scope="module")
def _site(root, services):
    """Return a site after `init`, with the secrets."""
    with site_of(services, (root / "deploy" / "cluster.toml").read_text()) as site:
        script = root / "deploy" / "make-secrets.sh"
        subprocess.run([script, site.folder / "run" / "secrets"], check=True)
        site.run_once("init")
        yield site


@pytest.fixture(name="running", scope="module")
def _running(site, cluster):
    """Return the site with every service healthy, started in the order of `depends_on`."""
    site.start("s3")
    wait_until_answered(f"http://{site.s3_address}/healthz")
    site.run_once("init-bucket")
    parts = ["valkey", "memcached", *cluster.nodes, *cluster.masters]
    parts += [name for name in site.services if name.endswith("-worker")]
    for name in [*parts, "edge-configs", *cluster.edges]:
        site.start(name)
    for name in parts[2:]:
        site.wait_until_healthy(name)
    for name in cluster.edges:
        path = site.services[name]["healthcheck"]["test"][-1].removeprefix("http://127.0.0.1")
        wait_until_answered(f"http://{site.addresses[name]}{path}")
    wait_until_nothing_is_fenced(site)
    return site


def wait_until_nothing_is_fenced(site):
    """Wait until all nodes are up and no volume is fenced."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while True:
        done = subprocess.run(
            ["glassplate", "status", "--json"],
            env=site.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        nodes = json.loads(done.stdout)["nodes"] if done.returncode == 0 else []
        if nodes and all(node["up"] and not node["fenced_volumes"] for node in nodes):
            return
        if time.monotonic() > deadline:
            pytest.fail(f"not every node is open: {done.stdout}{done.stderr}")


def run_command(site, edge):
    """Return the command that `init` wrote for an edge, behind the one that reloads it."""
    run = Path(site.moved(site.services[edge]["command"][1]))
    program, *arguments = shlex.split(run.read_text().splitlines()[-1])
    assert program == "exec"
    return arguments


def read_body(request):
    """Return the body of a successful response."""
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.read()


def wait_until_answered(url):
    """Retry a URL until it succeeds; return the body."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while True:
        try:
            return read_body(url)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def photo():
    """Return a small photo."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((320, 200)).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


def upload(running, cluster):
    """Upload the photo; return its receipt."""
    token = subprocess.run(
        [
            "glassplate",
            "token",
            "create",
            "--scope",
            "upload",
            "--scope",
            "read",
            "--scope",
            "original",
        ],
        env=running.environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    master = cluster.masters["east-master"].address
    request = urllib.request.Request(
        f"http://{running.addresses['east-master']}:{master.port}/photos",
        data=photo(),
        headers={"Authorization": f"Bearer {token}"},
    )
    return json.loads(read_body(request))


def status_of(url):
    """Return the status of a response."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            response.read()
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def keys(running, *arguments):
    """Change the keys, as `docker compose run --rm glassplate keys` does."""
    command = ["glassplate", "keys", *arguments]
    subprocess.run(command, env=running.environment, check=True, capture_output=True)


def signed_by(running, key_id, url):
    """Return the URL of an original as the storagemasters sign it after the promotion of a key."""
    ring = load_keys(running.folder / "keys" / "keys.toml").ring(Purpose.READ)
    signer = ReadSigner(ring.with_signing_key(key_id))
    stem, *_, ext = url.removeprefix("/").split(".")
    return signer.url(f"{stem}.{ext}", size_class="original")


def wait_until(is_so):
    """Return once a condition holds."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_init_is_idempotent(site, cluster):
    """`init` is idempotent: keys and disks stay the same."""
    keys = (site.folder / "keys" / "keys.toml").read_bytes()
    disks = [node.id for node in cluster.nodes.values() if node.bucket is None]
    markers = [(site.folder / "nodes" / disk / ".node").read_bytes() for disk in disks]
    assert "already exists" in site.run_once("init")
    assert (site.folder / "keys" / "keys.toml").read_bytes() == keys
    again = [(site.folder / "nodes" / disk / ".node").read_bytes() for disk in disks]
    assert again == markers


@pytest.mark.parametrize("edge", ["east-edge", "west-edge"])
def test_nginx_accepts_the_config_of_every_edge(edge, site):
    """`nginx -t` accepts the config, with the container's command."""
    done = subprocess.run(
        [*run_command(site, edge), "-t"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_varnish_accepts_its_config(site):
    """`varnishd -C` accepts the file of the container's command."""
    program, *arguments = run_command(site, "varnish")
    config = arguments[arguments.index("-f") + 1]
    done = subprocess.run(
        [program, "-j", "none", "-C", "-f", config], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_nginx_logs_to_stdout_and_stderr(site):
    """Logs go to stdout and stderr, not to files without rotation."""
    for edge in ("east-edge", "west-edge"):
        logs = site.folder / "edges" / edge / "run"
        for name, target in (
            ("access.log", "/dev/stdout"),
            ("purge.log", "/dev/stdout"),
            ("error.log", "/dev/stderr"),
        ):
            assert str((logs / name).readlink()) == target


def test_a_photo_goes_in_by_one_colo_and_out_by_both(running, cluster):
    """A photo is uploaded, resized, mirrored, and read through every edge."""
    receipt = upload(running, cluster)
    assert receipt["durability"] == "mirrored"
    assert {copy["colo"] for copy in receipt["copies"]} == {"east", "west"}
    original, small = (receipt["urls"][size].removeprefix(cluster.public_url) for size in "os")
    for edge in cluster.edges.values():
        there = f"http://{running.addresses[edge.id]}:{edge.listen.port}"
        assert read_body(there + original) == photo()
        assert Image.open(io.BytesIO(wait_until_answered(there + small))).width == 75
    for node in cluster.nodes.values():
        if node.bucket is not None:
            there = f"http://{running.addresses[node.id]}:{node.read.port}"
            assert wait_until_answered(there + original) == photo()


def test_edges_follow_a_rotation_without_refusing_a_valid_url(running, cluster):
    """Under load, from the first key to the second, with nothing but the commands of the keys."""
    (photo_url,) = [upload(running, cluster)["urls"]["o"].removeprefix(cluster.public_url)]
    edges = [
        f"http://{running.addresses[edge.id]}:{edge.listen.port}" for edge in cluster.edges.values()
    ]
    statuses, stopped = [], threading.Event()

    def read(edge):
        while not stopped.is_set():
            statuses.append(status_of(edge + photo_url))

    with ThreadPoolExecutor(len(edges)) as pool:
        readers = [pool.submit(read, edge) for edge in edges]
        try:
            keys(running, "add", "--purpose", "read", "--verify-only")
            promoted = signed_by(running, "b", photo_url)
            wait_until(lambda: {status_of(edge + promoted) for edge in edges} == {200})
            keys(running, "promote", "--purpose", "read", "b")
            wait_until(lambda: ".b." in upload(running, cluster)["urls"]["o"])
            new = upload(running, cluster)["urls"]["o"].removeprefix(cluster.public_url)
            assert [status_of(edge + new) for edge in edges] == [200] * len(edges)
        finally:
            stopped.set()
        for reader in readers:
            reader.result()
    assert set(statuses) == {200}
    keys(running, "retire", "--purpose", "read", "a", "--yes")
    wait_until(lambda: {status_of(edge + photo_url) for edge in edges} == {403})
    assert [status_of(edge + new) for edge in edges] == [200] * len(edges)


def test_the_bucket_is_made_once_and_keeps_its_marker(running):
    """`init-bucket` is idempotent."""
    assert running.run_once("init-bucket") == running.run_once("init-bucket")
