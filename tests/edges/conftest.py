"""One real node with an edge of each kind, shared by all tests of this directory."""

import tempfile
from pathlib import Path

import pytest

from tests.edges.read_targets import running_targets


@pytest.fixture(name="targets", scope="session")
def _targets():
    with tempfile.TemporaryDirectory() as folder, running_targets(Path(folder)) as targets:
        yield targets
