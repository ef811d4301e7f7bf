"""A running Varnish is reloaded while requests of its former VCLs are under way."""

import contextlib
import socket
import subprocess
import threading
import time
import urllib.request

import pytest

from glassplate.edges.reload import ReloadFailed, reload_varnish
from tests.free_ports import free_port

VCL = """vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{port}"; }}
sub vcl_recv {{ return (pass); }}
"""
START_SECONDS_MAX = 60.0
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlate"


class Varnish:
    """A Varnish in front of one backend that responds when a test lets it."""

    def __init__(self, folder):
        self.folder = folder
        self.vcl = folder / "edge.vcl"
        self.port = free_port()
        self.backend = socket.create_server(("127.0.0.1", 0))
        self.vcl.write_text(VCL.format(port=self.backend.getsockname()[1]))
        self.bodies = []

    @contextlib.contextmanager
    def running(self):
        """Run varnishd until the block exits."""
        address = f"127.0.0.1:{self.port}"
        command = [
            "varnishd",
            "-j",
            "none",
            "-F",
            "-n",
            str(self.folder / "run"),
            "-f",
            str(self.vcl),
        ]
        process = subprocess.Popen([*command, "-a", address], stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + START_SECONDS_MAX
            while not self.accepts():
                assert time.monotonic() < deadline, "Varnish accepts no connections"
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(30)
            self.backend.close()

    def accepts(self):
        """Return True if Varnish accepts connections."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    @contextlib.contextmanager
    def held_request(self):
        """Keep a request under way until the block exits."""

        def fetch():
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/") as response:
                self.bodies.append(response.read())

        client = threading.Thread(target=fetch)
        client.start()
        connection, _ = self.backend.accept()
        connection.recv(65536)
        try:
            yield
        finally:
            connection.sendall(RESPONSE)
            connection.close()
            client.join()


@pytest.fixture(name="varnish")
def _varnish(tmp_path):
    varnish = Varnish(tmp_path)
    with varnish.running():
        yield varnish


def test_reloads_succeed_while_a_former_vcl_has_a_request(varnish):
    """Varnish lists a discarded VCL until its last request has ended."""
    with varnish.held_request():
        for _ in range(3):
            reload_varnish(str(varnish.folder / "run"), str(varnish.vcl))
    assert varnish.bodies == [b"late"]


def test_the_error_of_a_rejected_file_says_why(varnish):
    """Varnish keeps its VCL."""
    varnish.vcl.write_text("vcl 4.1; nonsense")
    with pytest.raises(ReloadFailed, match="VCL compilation failed"):
        reload_varnish(str(varnish.folder / "run"), str(varnish.vcl))
    assert varnish.accepts()
