"""Examples in docstrings."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from tests.conftest import HERE

PACKAGES = (
    "capacity",
    "drill",
    "glassplate",
    "imageworker",
    "permission_urls",
    "proxy_config",
    "runtime",
    "storagemaster",
    "storagenode",
    "volumes",
)
# tests/glassplate/test_client_docs.py runs these with a cluster.
NEED_A_CLUSTER = {"glassplate.blocking", "glassplate.client"}


def _modules_with_examples() -> list[str]:
    root = HERE.parent
    paths = (path for package in PACKAGES for path in (root / package).rglob("*.py"))
    names = {_name(path.relative_to(root)) for path in paths if ">>> " in path.read_text()}
    return sorted(names - NEED_A_CLUSTER)


def _name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts)


@pytest.mark.parametrize("name", _modules_with_examples())
def test_the_examples_of_a_module_are_true(name):
    """Every example gives the printed result."""
    outcome = doctest.testmod(import_module(name))
    assert outcome.attempted > 0
    assert outcome.failed == 0
