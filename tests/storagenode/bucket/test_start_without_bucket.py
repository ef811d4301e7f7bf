"""A node over a bucket starts before its bucket is there."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

from drill.cluster.faulty_s3_proxy import running_faulty_s3_proxy
from storagenode.opening import mark_store
from tests.storagenode.served_site import make_site

WAIT_SECONDS_MAX = 60


def until(condition):
    """Wait until a condition holds."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_healthy(node):
    """Return True if the node serves."""
    try:
        with urllib.request.urlopen(f"http://{node.read}/healthz", timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, ConnectionError):
        return False


def test_a_node_waits_for_its_bucket(moto, tmp_path):
    """It logs the reason, and serves once the bucket responds; SIGTERM ends it as usual."""
    with running_faulty_s3_proxy(moto) as proxy:
        store = f'"s3://photos/late-{os.getpid()}"\nendpoint = "{proxy.url}"\nregion = "us-east-1"'
        site = make_site(tmp_path, west_store=store)
        node = site.cluster.nodes["west-1"]
        mark_store(node)
        log = tmp_path / "node.log"
        command = [sys.executable, "-m", "storagenode"]
        command += ["--config", str(site.config), "--node", node.id]
        with log.open("wb") as output, proxy.failing(status=503, code="ServiceUnavailable"):
            process = subprocess.Popen(command, stdout=output, stderr=output)
            try:
                until(lambda: "starting again in" in log.read_text() or process.poll())
                assert process.poll() is None, log.read_text()
                proxy.fault = None
                until(lambda: is_healthy(node))
                process.send_signal(signal.SIGTERM)
                assert process.wait(WAIT_SECONDS_MAX) == 0
            finally:
                process.kill()
                process.wait()
