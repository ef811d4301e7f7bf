"""Moves that are carried out until none is left, beside storagemasters that advance them."""

import asyncio
from types import SimpleNamespace

import pytest

from glassplate.cli import map_changes
from glassplate.errors import Problem, Refused, error_of
from storagemaster.errors import MapConflict


def carried_out(monkeypatch, *outcomes):
    """Return the document of the last of these outcomes of proposals, each an error or not."""
    left = list(outcomes)

    async def propose(*_, **__):
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(map_changes, "propose", propose)
    monkeypatch.setattr(map_changes, "WAIT_SECONDS", 0.0)
    done = asyncio.run(map_changes.carry_out(SimpleNamespace(), None, None, why=""))
    assert left == []
    return done


def proposal(*, moves=(), moving=0, passing=(), obstacles=()):
    """Return the document of a proposal."""
    plan = {"moves": list(moves), "passing": list(passing)}
    return {"plan": plan | {"obstacles": [*passing, *obstacles]}, "moving": moving}


def refusal(status):
    """Return the client's error for a status."""
    return error_of(Problem(status=status, title="Another volume map", type="", detail=""))


def test_a_map_that_changes_meanwhile_is_edited_again(monkeypatch):
    """Until no move is left or under way."""
    outcomes = (refusal(MapConflict.status), proposal(moves=[1], moving=2), ended := proposal())
    assert carried_out(monkeypatch, *outcomes) is ended


def test_volumes_that_cannot_move_yet_are_waited_for(monkeypatch, capsys):
    """Uploads make mirrors differ for a moment, also when the last move has ended."""
    outcomes = (proposal(passing=["volumes 3 stay on node east-1: wait"]), ended := proposal())
    assert carried_out(monkeypatch, *outcomes) is ended
    assert "volumes 3 stay on node east-1: wait" in capsys.readouterr().err


def test_obstacles_that_need_an_operator_end_the_command(monkeypatch):
    """The caller prints them, and exits with 1."""
    ended = proposal(obstacles=["volumes 3 stay on node east-1: add a node"])
    assert carried_out(monkeypatch, ended) is ended


def test_another_refusal_ends_the_command(monkeypatch):
    """A map that is refused once is refused again."""
    with pytest.raises(Refused):
        carried_out(monkeypatch, refusal(400))
