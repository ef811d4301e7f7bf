"""`glassplate node unfence`, against a real cluster."""

import json


def test_a_node_without_fence_serves_no_more_volumes(glassplate):
    """The command is harmless there."""
    result = glassplate("node", "unfence", "east-2", "--yes", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"node": "east-2", "volumes": 0}
    assert "east-2 serves 0 more" in glassplate("node", "unfence", "east-2", "--yes").stdout


def test_it_asks_before(glassplate):
    """Photos that were deleted can be read afterwards."""
    result = glassplate("node", "unfence", "east-2")
    assert result.exit_code == 2
    assert "--yes" in result.stderr


def test_an_unknown_node_is_an_error(glassplate):
    """The known nodes are listed."""
    result = glassplate("node", "unfence", "north", "--yes")
    assert result.exit_code != 0
    assert "unknown node 'north'; known nodes: east-1" in result.stderr
