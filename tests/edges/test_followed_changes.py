"""`proxy-config --watch`: a running edge follows changes of the map and the keys."""

import contextlib
import shlex
import stat
import subprocess
import sys
import threading
import time

import pytest

from permission_urls import Purpose, ReadSigner, load_keys
from tests.free_ports import free_port
from tests.proxy_config.edge_requests import SIZE_CLASSES, new_photo_path, send_request
from tests.proxy_config.fake_node import FakeNode, bytes_of
from volumes.address import Address

SECONDS_MAX = 20.0
IN_A_ROW = 50
READ = ("--purpose", "read")


class FollowedEdge:
    """The files of a cluster, an edge with rendered configs, and the process that watches them."""

    def __init__(self, folder, kind, stack):
        self.config = folder / "cluster.toml"
        self.address = Address("127.0.0.1", free_port())
        nodes = [FakeNode(free_port()) for _ in range(2)]
        for node in nodes:
            node.start()
            stack.callback(node.stop)
        text = 'public_url = "http://x"\nkeys_file = "keys.toml"\nqueue_url = "redis://x"\n'
        for colo, node in zip(("east", "west"), nodes, strict=True):
            text += f'[nodes.{colo}-1]\ncolo = "{colo}"\nstore = "x"\n'
            text += f'read = "127.0.0.1:{node.port}"\nwrite = "127.0.0.1:{free_port()}"\n'
        text += '[[volumes]]\nnumbers = "42"\nmirrors = ["east-1", "west-1"]\n'
        text += f'[edges.one]\ncolo = "east"\nkind = "{kind}"\nlisten = "{self.address}"\n'
        text += f'purge = "127.0.0.1:{free_port()}"\n'
        text += f'[masters.one]\ncolo = "east"\naddress = "127.0.0.1:{free_port()}"\n'
        self.config.write_text(text)
        self.glassplate("keys", "init")
        self.output = folder / "output"
        self._start(folder, kind, stack)

    def _start(self, folder, kind, stack):
        for name in ("run", "cache"):
            (folder / name).mkdir()
        command = ["proxy-config", kind, "--edge", "one", "--out", f"{folder}/edge", "--watch"]
        command += ["--check", "--run-dir", f"{folder}/run", "--cache-bytes", "64M"]
        if kind == "nginx":
            command += ["--cache-dir", f"{folder}/cache", "--user", "root"]
        with self.output.open("wb") as output:
            watch = subprocess.Popen(
                self._command(*command), stdout=subprocess.PIPE, stderr=output, text=True
            )
        stack.callback(end, watch)
        edge = subprocess.Popen(
            shlex.split(watch.stdout.readline()),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        stack.callback(end, edge)
        self.wait_until(lambda: self.status("/healthz") == 200)

    def glassplate(self, *arguments):
        """Run a command line for this cluster."""
        subprocess.run(self._command(*arguments), check=True, capture_output=True)

    def _command(self, *arguments):
        return [sys.executable, "-m", "glassplate", "--cluster", str(self.config), *arguments]

    def url(self, path):
        """Return a URL signed with the signing key."""
        return ReadSigner(self.read_ring()).url(path, size_class=SIZE_CLASSES["m"])

    def read_ring(self):
        """Return the keys of URLs as they are in the file now."""
        return load_keys(self.config.with_name("keys.toml")).ring(Purpose.READ)

    def url_of(self, key_id, path):
        """Return a URL signed with a key that does not sign yet."""
        ring = self.read_ring().with_signing_key(key_id)
        return ReadSigner(ring).url(path, size_class=SIZE_CLASSES["m"])

    def status(self, target):
        """Return the status from the edge, or 0 without a response."""
        try:
            return send_request(self.address, target).status
        except OSError:
            return 0

    def wait_until_always(self, status, target):
        """Wait until no old worker responds any more."""
        self.wait_until(lambda: {self.status(target) for _ in range(IN_A_ROW)} == {status})

    def wait_until(self, holds):
        """Wait until the condition is true."""
        deadline = time.monotonic() + SECONDS_MAX
        while not holds():
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.05)


def end(process):
    """Stop a process as Ctrl-C does."""
    process.terminate()
    process.wait(SECONDS_MAX)
    if process.stdout:
        process.stdout.close()


@pytest.fixture(name="edge", scope="module", params=["nginx", "varnish"])
def _edge(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("followed")
    with contextlib.ExitStack() as stack:
        yield FollowedEdge(folder, request.param, stack)


def test_a_new_volume_is_served_once_the_map_has_it(edge):
    """The edge is reloaded automatically, and an invalid map changes nothing."""
    good = edge.config.read_text()
    path, other = new_photo_path(), new_photo_path(volume=43)
    assert (edge.status(edge.url(path)), edge.status(edge.url(other))) == (200, 503)
    edge.config.write_text(good.replace('numbers = "42"', 'numbers = "nonsense"'))
    edge.wait_until(lambda: "not changed" in edge.output.read_text())
    assert edge.status(edge.url(path)) == 200
    edge.config.write_text(good.replace('numbers = "42"', 'numbers = "42-43"'))
    edge.wait_until(lambda: edge.status(edge.url(other)) == 200)
    assert "written and reloaded" in edge.output.read_text()


def test_a_rotation_rejects_only_urls_of_the_retired_key(edge):
    """Every URL of the signing key is served during accept, promote, and retire, under load."""
    keys_file = edge.config.with_name("keys.toml")
    path = new_photo_path()
    refused, over = [], threading.Event()

    def load():
        while not over.is_set():
            url = edge.url(path)
            response = send_request(edge.address, url)
            if (response.status, response.body) != (200, bytes_of(path)):
                refused.append((url, response.status))

    former = edge.read_ring().signing_key.key_id
    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        old = edge.url(path)
        edge.glassplate("keys", "add", *READ, "next", "--verify-only")
        edge.wait_until_always(200, edge.url_of("next", path))
        edge.glassplate("keys", "promote", *READ, "next")
        assert edge.status(old) == edge.status(edge.url(path)) == 200
        edge.glassplate("keys", "retire", *READ, former, "--yes")
        edge.wait_until_always(403, old)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert refused == []
    assert edge.status(edge.url(path)) == 200
    for file in (keys_file, *edge.config.with_name("edge").iterdir()):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
