"""The documentation of the client: every example runs, against a real cluster."""

import doctest
import re
from pathlib import Path

import pytest

from glassplate import blocking, client
from glassplate.cli.commands import get
from glassplate.cli.views import health_warnings
from glassplate.session import retries
from glassplate.urls import photo_urls, references
from tests.glassplate.live_cluster import jpeg

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "client.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
MODULES = [health_warnings, blocking, client, get, photo_urls, references, retries]


@pytest.fixture(name="folder", autouse=True)
def _folder(cluster, tmp_path, monkeypatch, seeds):
    """A folder as the examples expect it: the config of a cluster, and a cat."""
    (tmp_path / "cluster.toml").symlink_to(cluster.config)
    (tmp_path / "cat.jpg").write_bytes(jpeg(next(seeds), width=1200, height=900))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example_of_the_page_runs(number):
    """As it stands there."""
    # Running what the page shows is the point.
    exec(compile(EXAMPLES[number], f"docs/client.md, example {number}", "exec"), {})


def test_page_has_examples():
    """A page that lost its fences would pass otherwise."""
    assert len(EXAMPLES) == 5


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_of_docstrings_show_what_happens(module):
    """Each line gives what stands below it."""
    result = doctest.testmod(module)
    assert result.failed == 0
