"""docs/client.md and docstrings of the client: every example runs against a real cluster."""

import doctest
import re
from pathlib import Path

import pytest

from glassplate import blocking, client
from glassplate.cli.commands import get
from glassplate.cli.views import health_warnings
from glassplate.session import retries
from glassplate.urls import photo_urls, references
from tests.glassplate.application_files import export_application
from tests.glassplate.live_cluster import jpeg

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "client.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
MODULES = [health_warnings, blocking, client, get, photo_urls, references, retries]


@pytest.fixture(name="folder", autouse=True)
def _folder(cluster, tmp_path, monkeypatch, seeds):
    """Return the folder that the examples expect: a cluster's config, shop.toml, and a photo."""
    export_application(cluster, tmp_path, "--upload-url", "http://127.0.0.1:8083")
    (tmp_path / "cat.jpg").write_bytes(jpeg(next(seeds), width=1200, height=900))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example_of_the_page_runs(number):
    """Each example runs unchanged."""
    program = compile(EXAMPLES[number], f"docs/client.md, example {number}", "exec")
    exec(program, {"__name__": "shop"})


def test_page_has_examples():
    """The number is written down, so that a lost fence is noticed."""
    assert len(EXAMPLES) == 13


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_of_docstrings_are_right(module):
    """Each example in a docstring has the result below it."""
    result = doctest.testmod(module)
    assert result.failed == 0
