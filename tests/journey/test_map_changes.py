"""The volume map changes on a running cluster under load: every process follows, none restarts."""

import json
import re

import pytest

from tests.journey.running_cluster import EDGES, fetch, start_cluster, stop_cluster, wait_until
from tests.journey.test_key_rotation import Load


@pytest.fixture(name="own_cluster")
def _own_cluster(tmp_path_factory):
    """Return a cluster that only this test uses, because it changes where volumes are."""
    cluster = start_cluster(tmp_path_factory.mktemp("maps") / "data")
    yield cluster
    stop_cluster(cluster)


def change_mirrors(cluster, path, old, new):
    """Put a map in force in which volumes have other mirrors."""
    shown = cluster.cli("map", "show")
    assert shown.returncode == 0, shown.stderr
    assert f"mirrors = {old}" in shown.stdout
    path.write_text(shown.stdout.replace(f"mirrors = {old}", f"mirrors = {new}"))
    assert "Nothing was changed" in cluster.cli("map", "diff", str(path)).stdout
    applied = cluster.cli("map", "apply", str(path), "--why", "a test")
    assert applied.returncode == 0, applied.stderr
    assert "is in force" in applied.stdout


def disagreeing(cluster):
    """Return the processes with another volume map, as the doctor finds them."""
    findings = json.loads(cluster.cli("doctor", "--json").stdout)["findings"]
    maps = [each for each in findings if each["id"].startswith("map/")]
    assert len(maps) == 4 + 2 + len(EDGES)
    return [each["id"] for each in maps if each["verdict"] != "ok"]


def test_every_process_follows_a_changed_map_and_no_request_is_lost(own_cluster, jpeg, tmp_path):
    """A third mirror is added and filled, then the first is taken out."""
    cluster = own_cluster
    before = cluster.running()
    with Load(cluster, jpeg) as load:
        wait_until("an upload", lambda: load.uploads > 0)
        text = cluster.cli("map", "show").stdout
        old = re.search(r"^mirrors = (\[.*\])$", text, re.MULTILINE)[1]
        first, second = json.loads(old)
        added = next(
            node.id
            for node in cluster.config.nodes.values()
            if node.id not in (first, second) and node.colo == cluster.config.nodes[first].colo
        )
        three, two = json.dumps([first, second, added]), json.dumps([second, added])
        change_mirrors(cluster, tmp_path / "map.toml", old, three)
        wait_until("every process to follow", lambda: disagreeing(cluster) == [])
        assert cluster.cli("status", "--wait").returncode == 0
        change_mirrors(cluster, tmp_path / "map.toml", three, two)
        wait_until("every process to follow", lambda: disagreeing(cluster) == [])
        done = load.uploads
        wait_until("another upload", lambda: load.uploads > done)
    assert load.refused == []
    assert cluster.running() == before
    volume = min(n for n, v in cluster.config.volumes.items() if list(v.mirrors) == [second, added])
    with cluster.client() as client:
        receipt = client.put(jpeg(9), volume=volume)
        assert {copy.node for copy in receipt.copies} == {second, added}
        assert {fetch(cluster, edge, receipt.urls["o"])[0] for edge in EDGES} == {200}
