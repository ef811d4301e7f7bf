"""deploy/scale-nodes.sh adds nodes like the existing ones to each colo."""

import shutil
import subprocess

import pytest
import yaml

from volumes.config.cluster_file import load_cluster


@pytest.fixture(name="project")
def _project(root, tmp_path):
    """Copy the files that the script reads and writes."""
    shutil.copy(root / "compose.yaml", tmp_path)
    shutil.copytree(root / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets"))
    return tmp_path


def scale(project, count):
    """Run the script; return True if it succeeded."""
    script = project / "deploy" / "scale-nodes.sh"
    done = subprocess.run([script, str(count)], check=False, capture_output=True, text=True)
    return done.returncode == 0


def test_each_colo_has_the_requested_number_of_nodes(project, cluster):
    """New nodes get volumes in both colos and the bucket; existing ones are unchanged."""
    assert scale(project, 4)
    grown = load_cluster(project / "deploy" / "cluster.toml")
    for colo in ("east", "west"):
        ids = {id_ for id_, node in grown.nodes.items() if node.colo == colo}
        assert ids == {f"{colo}-{n}" for n in range(1, 5)}
    new = grown.nodes.keys() - cluster.nodes.keys()
    for number, volume in grown.volumes.items():
        if number in cluster.volumes:
            assert volume == cluster.volumes[number]
        else:
            assert {grown.nodes[node].colo for node in volume.mirrors} == {"east", "west", "cold"}
            assert new & {*volume.mirrors}
    for node in new:
        assert len({v.mirrors for v in grown.volumes.values() if node in v.mirrors}) > 1


def test_new_nodes_are_like_the_first(project, services):
    """A new node differs only in name and address; edges know it, and `init` marks its disk."""
    assert scale(project, 3)
    added = yaml.safe_load((project / "compose.override.yaml").read_text())
    for colo, subnet in (("east", "10.201.1"), ("west", "10.201.2")):
        node = f"{colo}-3"
        text = yaml.safe_dump(services[f"{colo}-1"])
        text = text.replace(f"{colo}-1", node).replace(f"{subnet}.11", f"{subnet}.13")
        assert added["services"][node] == yaml.safe_load(text)
        assert node in added["volumes"]
        for once in ("owner", "init"):
            assert f"{node}:/nodes/{node}" in added["services"][once]["volumes"]
        for edge in ("east-edge", "west-edge", "varnish"):
            assert f"{node}:{subnet}.13" in added["services"][edge]["extra_hosts"]


def test_growing_twice_is_growing_at_once(project, root):
    """Growing in two steps gives the same files as in one."""
    assert scale(project, 3)
    assert scale(project, 4)
    config = project / "deploy" / "cluster.toml"
    twice = config.read_text(), (project / "compose.override.yaml").read_text()
    shutil.copy(root / "deploy" / "cluster.toml", config)
    assert scale(project, 4)
    assert (config.read_text(), (project / "compose.override.yaml").read_text()) == twice
    assert scale(project, 4)
    assert (config.read_text(), (project / "compose.override.yaml").read_text()) == twice


def test_no_node_is_removed(project):
    """A smaller number is rejected, because the nodes store photos."""
    assert scale(project, 3)
    before = (project / "deploy" / "cluster.toml").read_text()
    assert not scale(project, 2)
    assert (project / "deploy" / "cluster.toml").read_text() == before
