"""The files of a local cluster: created once, never replaced in silence, and moved on request."""

import os
import socket
from pathlib import Path

import pytest

from glassplate.local.plan import PORTS_USED
from glassplate.local.ports import PortsInUse, queue_address, require_free_ports
from glassplate.local.preparation import AlreadyRunning, data_lock, prepare_data
from permission_urls import KeyRingError
from tests.free_ports import free_port_block
from volumes.config.config_reader import InvalidConfig


@pytest.fixture(name="port")
def _port():
    return free_port_block(PORTS_USED)


@pytest.fixture(name="data")
def _data(tmp_path, port):
    """Return the data directory of a cluster that is not running."""
    prepare_data(tmp_path / "data", port=port)
    return tmp_path / "data"


def test_an_existing_cluster_is_only_read(data, port):
    """Without a port, and with its own port, no file changes."""
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_file()}
    assert prepare_data(data, port=None).moved_from_port is None
    assert prepare_data(data, port=port).moved_from_port is None
    after = {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_file()}
    assert after == before


def test_a_lost_disk_is_not_marked_again(data):
    """An empty directory can be an unmounted disk, so only `glassplate node init` marks it."""
    root = data / "nodes/east-1"
    (root / ".node").unlink()
    prepare_data(data, port=None)
    assert not (root / ".node").exists()


def test_lost_keys_are_not_replaced(data):
    """Other keys would make all URLs invalid."""
    (data / "keys.toml").unlink()
    with pytest.raises(KeyRingError, match=r"keys.toml"):
        prepare_data(data, port=None)
    assert not (data / "keys.toml").exists()


def test_an_interrupted_preparation_starts_again(tmp_path, port, monkeypatch):
    """The config is written last, and keys and markers that exist are kept."""

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            prepare_data(tmp_path, port=port)
    assert not (tmp_path / "cluster.toml").exists()
    prepare_data(tmp_path, port=port)
    assert (tmp_path / "nodes/east-1/.node").exists()


def test_another_port_moves_every_address_in_its_range(data, port):
    """Addresses outside the range and all other text stay as the operator wrote them."""
    config = data / "cluster.toml"
    edited = config.read_text() + "# 127.0.0.1:6379 is another program\n"
    config.write_text(edited)
    other = free_port_block(PORTS_USED)
    prepared = prepare_data(data, port=other)
    assert prepared.moved_from_port == port
    assert prepared.cluster.public_url == f"http://127.0.0.1:{other}"
    assert prepared.cluster.edges["varnish"].listen.port == other + 2
    assert prepared.cluster.nodes["west-2"].write.port == other + 28
    assert queue_address(prepared.cluster).port == other + 30
    assert config.read_text().endswith("# 127.0.0.1:6379 is another program\n")
    assert prepare_data(data, port=port).cluster.edges["varnish"].listen.port == port + 2
    assert config.read_text() == edited


def test_a_move_to_ports_in_use_changes_nothing(data):
    """The error lists the ports, and the cluster keeps its own."""
    before = (data / "cluster.toml").read_text()
    other = free_port_block(PORTS_USED)
    with (
        socket.create_server(("127.0.0.1", other + 10)),
        pytest.raises(PortsInUse, match=f"127.0.0.1:{other + 10} .east-master."),
    ):
        prepare_data(data, port=other)
    assert (data / "cluster.toml").read_text() == before
    assert sorted(path.name for path in data.glob("cluster*")) == ["cluster.toml"]


def test_a_data_directory_has_one_cluster(data):
    """A second one is refused while the first holds the lock."""
    refused = pytest.raises(AlreadyRunning, match="already; stop it")
    with data_lock(data), refused, data_lock(data):
        pass
    with data_lock(data):
        pass


@pytest.mark.parametrize("url", ["unix:///run/valkey", "redis://127.0.0.1/0", "redis://h:x/0"])
def test_a_queue_that_cannot_be_started_here_is_an_invalid_config(data, url):
    """The message has the key and an example."""
    config = data / "cluster.toml"
    lines = config.read_text().splitlines()
    lines = [f'queue_url = "{url}"' if line.startswith("queue_url") else line for line in lines]
    config.write_text(os.linesep.join(lines))
    with pytest.raises(InvalidConfig, match=r'queue_url: must be as in "redis://'):
        require_free_ports(prepare_data(data, port=None).cluster)
