"""The mirrors that have a photo when its receipt arrives, if a disk was damaged before."""

import hashlib
from dataclasses import replace
from types import SimpleNamespace

import pytest

from storagemaster.wire import Copy
from tests.simulation.response_checks import mirrors_with
from tests.storagenode.disk.crash_file_system import Contents
from volumes.photo_path import parse_path

ORIGINAL = parse_path("1/nn/cayhfh8hmg4taann_29sd12_o.gif")
INTACT = Contents(b"bytes", hashlib.sha256(b"bytes").hexdigest())
STARTED = 2.0


@pytest.mark.parametrize(
    ("damaged_at", "contents", "counts"),
    [
        (1.0, INTACT, True),
        (1.0, None, True),  # no fault explains this
        (3.0, INTACT, True),
        (3.0, None, False),
        (3.0, replace(INTACT, data=b"other"), False),
    ],
)
def test_only_a_fault_during_the_request_excuses_a_mirror(damaged_at, contents, counts):
    """A mirror that has the bytes is never excused."""
    disk = SimpleNamespace(durable=lambda _: contents)
    node = SimpleNamespace(name="east-1", damaged_at=damaged_at, disk=disk)
    world = SimpleNamespace(nodes={"east-1": node})
    copies = [
        Copy(node="east-1", colo="east"),
        Copy(node="east-2", colo="east", hint_for="west-1"),
    ]
    assert mirrors_with(world, ORIGINAL, copies, STARTED) == ({"east-1"} if counts else set())
