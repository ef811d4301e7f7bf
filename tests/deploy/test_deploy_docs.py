"""docs/deploy.md: its config is valid, its commands run, and its calculation adds up."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from volumes.config.cluster_config import parse_cluster

PAGE = Path(__file__).resolve().parents[2] / "docs" / "deploy.md"
TEXT = PAGE.read_text()


def block(language):
    """Return the only code block of a language in the section of two machines."""
    section = TEXT.partition("## Two machines\n")[2].partition("\n## ")[0]
    (text,) = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return text


@pytest.fixture(name="two_machines", scope="module")
def _two_machines():
    """Return the cluster of two machines on the page."""
    return parse_cluster(block("toml"))


def test_each_machine_has_every_role(two_machines):
    """Each has a mirror of every volume, a storagemaster, an edge, and two nodes."""
    machines = {node.read.host for node in two_machines.nodes.values()}
    assert len(machines) == 2
    for volume in two_machines.volumes:
        assert {n.read.host for n in two_machines.mirrors_of(volume)} == machines
    for hosts in (
        [master.address.host for master in two_machines.masters.values()],
        [edge.listen.host for edge in two_machines.edges.values()],
        [address.host for address in two_machines.memcached],
    ):
        assert sorted(hosts) == sorted(machines)
    colos = [node.colo for node in two_machines.nodes.values()]
    assert all(colos.count(colo) == 2 for colo in two_machines.colos)


def test_every_port_of_the_config_is_in_the_table(two_machines):
    """The table of ports has a row for each port of the config, and for those with TLS."""
    addresses = [
        *(node.read for node in two_machines.nodes.values()),
        *(node.write for node in two_machines.nodes.values()),
        *(master.address for master in two_machines.masters.values()),
        *(edge.listen for edge in two_machines.edges.values()),
        *(edge.purge for edge in two_machines.edges.values()),
        *two_machines.memcached,
    ]
    table = TEXT.partition("## Ports")[2].partition("## Backup")[0]
    rows = set(re.findall(r"^\| (\d+)", table, re.MULTILINE))
    firsts = {str(address.port) for address in addresses} - {"7102", "7202"}
    assert firsts | {"6379", "26379", "8290"} == rows


def test_the_commands_of_a_machine_run(tmp_path):
    """The commands run, with the machine's folders moved below a temporary one."""

    def moved(text):
        return re.sub(r"(?<![\w.])/(etc|srv|var|run)/", rf"{tmp_path}/\1/", text)

    for folder in ("etc/glassplate", "srv/disk1", "srv/disk2", "var/cache", "run"):
        (tmp_path / folder).mkdir(parents=True)
    config = tmp_path / "etc/glassplate/cluster.toml"
    config.touch(mode=0o640)
    config.write_text(moved(block("toml")))
    done = subprocess.run(
        ["sh", "-euc", moved(block("sh"))],
        env={
            **os.environ,
            "GLASSPLATE_CLUSTER": str(config),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "srv/disk1/.node").exists()
    assert (tmp_path / "etc/glassplate/edge/nginx.conf").exists()


def test_the_calculation_adds_up():
    """Bytes, disks, reads, and hours of the example are right."""
    photos, monthly, photo_bytes = 50e6, 2e6, 4.2e6
    assert photos * photo_bytes == 210e12
    assert round(monthly * photo_bytes / 1e12, 1) == 8.4
    assert pytest.approx(310, abs=1) == 210 + 12 * 8.4
    disk_terabytes = 16 * 0.85
    assert round(310 / disk_terabytes) == 23
    assert 10_000 * 0.05 / 100 == 5
    assert disk_terabytes * 1e12 / 100e6 / 3600 == pytest.approx(38, abs=0.5)
    assert pytest.approx(0.0001, rel=0.2) == 0.02 * 38 / (365 * 24)
