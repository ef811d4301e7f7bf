"""Fixtures for tests of the client and the command line: one cluster and photos."""

import itertools
import os
import pty
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from glassplate import Client, Retries, Timeouts, blocking
from glassplate.cli.main import main
from tests.glassplate.live_cluster import jpeg, running_cluster

# Enough attempts for every faulty server, with short pauses.
QUICK = {
    "retries": Retries(attempts_max=4, first_pause_seconds=0.01, retry_after_seconds_max=0.1),
    "timeouts": Timeouts(connect_seconds=1, response_seconds=5),
}


@pytest.fixture(name="cluster", scope="session")
def _cluster(tmp_path_factory):
    """Run one cluster for all tests. Each test uses photos of its own."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(name="seeds", scope="session")
def _seeds():
    """Return unique numbers, for unique photos."""
    return itertools.count(1)


@pytest.fixture(name="photo")
def _photo(seeds):
    """Return the bytes of a unique photo."""
    return jpeg(next(seeds))


@pytest.fixture(name="photo_file")
def _photo_file(tmp_path, photo):
    """Return a file with the photo."""
    path = tmp_path / "cat.jpg"
    path.write_bytes(photo)
    return path


@pytest.fixture(name="open_client")
def _open_client(cluster):
    """Return a function that makes asynchronous clients, by default of the cluster."""

    def open_client(*masters, **options):
        options = {**QUICK, **options}
        if "token" not in options:
            options["keys"] = cluster.keys
        return Client(list(masters) or cluster.masters, **options)

    return open_client


@pytest.fixture(name="client")
def _client(cluster):
    """Return an open blocking client of the cluster."""
    with blocking.Client.from_cluster(cluster.config, **QUICK) as client:
        yield client


@pytest.fixture(name="receipt")
def _receipt(client, photo):
    """Upload a photo."""
    return client.put(photo)


@pytest.fixture(name="open_blocking")
def _open_blocking(cluster):
    """Return a function that makes blocking clients, by default of the cluster."""

    def open_blocking(*masters, **options):
        return blocking.Client(list(masters) or cluster.masters, **QUICK, **options)

    return open_blocking


@pytest.fixture(name="glassplate")
def _glassplate(cluster, monkeypatch):
    """Return a function that runs a command line in this process, against the cluster."""
    for name in [name for name in os.environ if name.startswith("GLASSPLATE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GLASSPLATE_CLUSTER", str(cluster.config))

    def run(*arguments, **options):
        return CliRunner().invoke(main, [str(argument) for argument in arguments], **options)

    return run


@pytest.fixture(name="environment")
def _environment(cluster):
    """Return the environment of a command line in its own process."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GLASSPLATE_")}
    return {**kept, "GLASSPLATE_CLUSTER": str(cluster.config), "COLUMNS": "200", "TERM": "xterm"}


@pytest.fixture(name="program")
def _program():
    """Return the path of the installed program."""
    return Path(sys.executable).with_name("glassplate")


@pytest.fixture(name="at_terminal")
def _at_terminal(program, environment):
    """Return a function that runs a command line at a terminal: its output and exit status."""

    def run(*arguments, typed=""):
        process, terminal = pty.fork()
        if process == 0:
            os.execve(program, [program.name, *map(str, arguments)], environment)
        os.write(terminal, typed.encode())
        shown = read_terminal(terminal)
        _, status = os.waitpid(process, 0)
        return shown, os.waitstatus_to_exitcode(status)

    return run


def read_terminal(terminal, seconds_max=30):
    """Return the output of a program until it ends."""
    shown = b""
    ends = time.monotonic() + seconds_max
    while time.monotonic() < ends:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:
            # Linux raises EIO when the other side has closed the terminal.
            break
        if not chunk:
            break
        shown += chunk
    os.close(terminal)
    return shown.decode()
