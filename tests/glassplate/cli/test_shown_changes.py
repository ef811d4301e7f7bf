"""Output of commands that have changed the volume map."""

import pytest

from glassplate.cli.map_changes import show_change

CHANGE = {"what": "volumes 6", "before": "east-1, west-1; open", "after": "joining east-2"}
NOTHING_LEFT = {"moves": [], "first": 0, "bytes": 0, "nodes": [], "obstacles": [], "passing": []}
MOVED = {
    "version": 8,
    "digest": "08a297f50e23c34b",
    "applied": True,
    "changes": [CHANGE],
    "plan": NOTHING_LEFT,
}


def show(capsys, document):
    """Return what a command prints that has waited for its moves."""
    show_change(document, is_applied=True, as_json=False, has_waited=True)
    return capsys.readouterr().out.splitlines()


def test_a_command_that_waited_says_that_all_moves_have_ended(capsys):
    """Nothing is left to move, which is not what its plan was."""
    *_, ended, in_force = show(capsys, MOVED)
    assert ended == "All moves have ended."
    assert in_force == "Map 8 (08a297f50e23c34b) is in force."


def test_a_command_that_waited_names_what_cannot_move(capsys):
    """Its exit status is 1."""
    plan = NOTHING_LEFT | {"obstacles": ["volume 6 stays: no other colo has space"]}
    with pytest.raises(SystemExit) as exited:
        show(capsys, MOVED | {"plan": plan})
    printed = capsys.readouterr().out
    assert exited.value.code == 1
    assert "! volume 6 stays" in printed
    assert "All moves" not in printed
