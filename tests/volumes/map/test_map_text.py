"""The text of a volume map is canonical, and reads back as the same map."""

import dataclasses

import pytest

from tests.proxy_config.golden_configs import golden_cluster
from volumes.cluster import NodeState
from volumes.config.config_reader import InvalidConfig
from volumes.map.changes import next_map
from volumes.map.map_text import parse_map, parse_tables, render_map, version_of
from volumes.map.volume_map import map_of, tables_of, with_map
from volumes.volume_state import VolumeState

CLUSTER = golden_cluster()
FIRST = map_of(CLUSTER)


def with_volumes(**changes):
    """Return the tables with changes to volume 2."""
    volumes = dict(CLUSTER.volumes)
    volumes[2] = dataclasses.replace(volumes[2], **changes)
    return dataclasses.replace(tables_of(CLUSTER), volumes=volumes)


SECOND = next_map(FIRST, with_volumes(state=VolumeState.CLOSED), why='a "quoted" reason: größer')


def test_a_map_reads_back_as_the_same_map():
    """With the reason, the digest of the version before it, and every process and volume."""
    assert parse_map(render_map(SECOND)) == SECOND
    assert render_map(parse_map(render_map(SECOND))) == render_map(SECOND)


def test_moves_weights_and_removed_nodes_read_back():
    """Their defaults are not in the text."""
    tables = with_volumes(mirrors=("east-1", "west-1"), joining=("east-2",), leaving=("east-1",))
    node = dataclasses.replace(tables.nodes["east-2"], weight=2.5, state=NodeState.DRAINING)
    nodes = {**tables.nodes, "east-2": node}
    gone = {"east-9": dataclasses.replace(node, id="east-9")}
    tables = dataclasses.replace(tables, nodes=nodes, gone_nodes=gone)
    text = render_map(dataclasses.replace(SECOND, tables=tables))
    assert parse_map(text).tables == tables
    for line in (
        'joining = ["east-2"]',
        'leaving = ["east-1"]',
        "weight = 2.5",
        'state = "draining"',
        "[gone_nodes.east-9]",
    ):
        assert line in text
        assert line.split(" = ")[0] not in render_map(FIRST)


@pytest.mark.parametrize(
    ("before", "after", "key", "words"),
    [
        ('"west-1"]', '"west-1"]\nleaving = ["east-2"]', "leaving", "is not a mirror"),
        ('"west-1"]', '"west-1"]\njoining = ["west-1"]', "joining", "is a mirror already"),
        ('"west-1"]', '"west-1"]\nleaving = ["west-1"]', "leaving", "in fewer than 2 colos"),
        ('"west-1"]', '"west-1"]\njoining = ["x"]', "joining", "unknown node 'x'"),
        ('"west-1"]', '"west-1"]\njoining = ["east-9"]', "joining", "it was removed"),
        ("[nodes.east-1]", "[nodes.east-9]", "nodes.east-9", "give the node a new id"),
        ("[nodes.east-1]", "[nodes.east-1]\nweight = 0", "nodes.east-1.weight", "from 0.01"),
        ("[nodes.east-1]", "[nodes.east-1]\nweight = nan", "nodes.east-1.weight", "from 0.01"),
        ("[nodes.east-1]", '[nodes.east-1]\nweight = "2"', "nodes.east-1.weight", "a number"),
    ],
)
def test_a_move_that_cannot_be_is_reported(before, after, key, words):
    """With its key, and the reason."""
    gone = {"east-9": dataclasses.replace(SECOND.tables.nodes["east-2"], id="east-9")}
    tables = dataclasses.replace(SECOND.tables, gone_nodes=gone)
    text = render_map(dataclasses.replace(SECOND, tables=tables))
    assert before in text
    with pytest.raises(InvalidConfig) as refused:
        parse_map(text.replace(before, after, 1))
    assert any(each.key.endswith(key) and words in str(each) for each in refused.value.problems)


def test_alike_volumes_in_a_row_are_one_table():
    """A volume with another state or other mirrors has a table of its own."""
    text = render_map(SECOND)
    assert text.count("[[volumes]]") == render_map(FIRST).count("[[volumes]]") + 2
    assert 'state = "closed"' in text


def test_the_tables_of_an_edited_map_are_read_whatever_its_version():
    """The next version gets its number and the digest before it by itself."""
    assert parse_tables(render_map(SECOND)) == SECOND.tables
    assert parse_tables("\n".join(render_map(FIRST).splitlines()[3:])) == FIRST.tables


def test_every_mistake_is_reported_with_its_key():
    """As in `cluster.toml`."""
    text = render_map(SECOND).replace("version = 2", "version = 1\nsize = 3")
    with pytest.raises(InvalidConfig) as refused:
        parse_map(text)
    assert {problem.key for problem in refused.value.problems} == {"version", "size"}
    with pytest.raises(InvalidConfig, match="is not TOML"):
        parse_map("version =")


def test_a_cluster_with_a_map_has_its_tables_and_its_version():
    """Everything else stays: limits, sizes, keys."""
    changed = with_map(CLUSTER, SECOND)
    assert changed.volumes[2].state is VolumeState.CLOSED
    assert changed.map_version == 2
    assert map_of(changed).id == SECOND.id
    was = {"map_version": 1, "map_after": "", "volumes": CLUSTER.volumes}
    assert dataclasses.replace(changed, **was) == CLUSTER


def test_the_digest_covers_the_version_its_past_and_the_tables():
    """Paths of one machine and the reason are not in it."""
    others = (
        dataclasses.replace(SECOND, version=3),
        dataclasses.replace(SECOND, after="0" * 16),
        next_map(FIRST, with_volumes(mirrors=("east-1", "west-2")), why=""),
    )
    assert len({each.id for each in (SECOND, *others)}) == 4
    nodes = {
        id_: dataclasses.replace(node, store="/elsewhere")
        for id_, node in SECOND.tables.nodes.items()
        if node.bucket is None
    }
    tables = dataclasses.replace(SECOND.tables, nodes={**SECOND.tables.nodes, **nodes})
    assert dataclasses.replace(SECOND, tables=tables, why="").id == SECOND.id


@pytest.mark.parametrize(("text", "version"), [("", None), ("version = 7", 7), ("[nodes]", None)])
def test_an_edited_map_can_have_the_version_that_was_edited(text, version):
    """A part of `cluster.toml` has none."""
    assert version_of(text) == version


@pytest.mark.parametrize("text", ["mirrors = [", "version = -1", 'version = "two"'])
def test_a_text_without_a_map_is_refused(text):
    """The error says why, before anything is sent."""
    with pytest.raises(InvalidConfig):
        version_of(text)
