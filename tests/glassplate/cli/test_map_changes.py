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


def refusal(status):
    """Return the client's error for a status."""
    return error_of(Problem(status=status, title="Another volume map", type="", detail=""))


def test_a_map_that_changes_meanwhile_is_edited_again(monkeypatch):
    """Until no move is left or under way."""
    ended = {"plan": {"moves": []}, "moving": 0}
    outcomes = (refusal(MapConflict.status), {"plan": {"moves": [1]}, "moving": 2}, ended)
    assert carried_out(monkeypatch, *outcomes) is ended


def test_another_refusal_ends_the_command(monkeypatch):
    """A map that is refused once is refused again."""
    with pytest.raises(Refused):
        carried_out(monkeypatch, refusal(400))
