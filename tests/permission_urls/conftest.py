"""Shared fixtures: a ring of fixed keys, a fixed clock, and a size table."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from permission_urls import Key, KeyRing, KeyState, Scope, Token

HERE = Path(__file__).parent


@pytest.fixture(name="now", scope="session")
def _now() -> int:
    return 1_700_000_000


@pytest.fixture(name="size_classes", scope="session")
def _size_classes() -> dict[str, str]:
    return dict.fromkeys("sqtmnwdzcb", "web") | {"h": "large", "k": "large", "o": "original"}


@pytest.fixture(name="ring", scope="session")
def _ring() -> KeyRing:
    return KeyRing(
        keys=(
            Key(key_id="old", secret=bytes(range(32)), state=KeyState.RETIRED),
            Key(key_id="b2", secret=bytes(range(32, 64)), state=KeyState.ACCEPTED),
            Key(key_id="a", secret=bytes(range(64, 96)), state=KeyState.SIGNING),
        )
    )


@pytest.fixture(name="token", scope="session")
def _token() -> Token:
    return Token(id="k3v9q2mf", application="shop", scopes=frozenset({Scope.READ}), expiry=0)


@pytest.fixture(name="path", scope="session")
def _path() -> str:
    return "42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg"


@pytest.fixture(name="stem", scope="session")
def _stem() -> str:
    return "42/k7/01jd3x8m2c9qp4k7_3fz8qd"


@pytest.fixture(name="reference", scope="session")
def _reference() -> ModuleType:
    return _load("reference_verifier")


@pytest.fixture(name="golden_maker", scope="session")
def _golden_maker(reference: ModuleType) -> ModuleType:
    assert reference.__name__ in sys.modules
    return _load("make_golden_urls")


@pytest.fixture(name="golden", scope="session")
def _golden() -> dict[str, Any]:
    golden: dict[str, Any] = json.loads((HERE / "golden_urls.json").read_text(encoding="ascii"))
    return golden


@pytest.fixture(name="golden_ring", scope="session")
def _golden_ring(golden: dict[str, Any]) -> KeyRing:
    return KeyRing(
        keys=tuple(
            Key(
                key_id=key["id"],
                secret=bytes.fromhex(key["secret"]),
                state=KeyState(key["state"]),
            )
            for key in golden["keys"]
        )
    )


def _load(name: str) -> ModuleType:
    """Import a script beside the tests under its own name."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
