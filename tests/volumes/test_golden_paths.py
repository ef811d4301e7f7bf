"""The golden paths are up to date, and `photo_path` agrees with them."""

import contextlib
import importlib.util
import json
import os
from pathlib import Path

import pytest

from permission_urls.permission import EXTENSIONS as PERMITTED_EXTENSIONS
from permission_urls.permission import Unsignable, parse_photo_path
from volumes.photo_path import (
    EXTENSIONS,
    Attempt,
    Failure,
    Info,
    InvalidPath,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
    parse_path,
    render_path,
)

HERE = Path(__file__).parent
KINDS = {"info": Info, "failure": Failure, "version_tombstone": VersionTombstone}


@pytest.fixture(name="maker", scope="module")
def _maker():
    spec = importlib.util.spec_from_file_location(
        "make_golden_paths", HERE / "make_golden_paths.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(name="vectors", scope="module")
def _vectors():
    return json.loads((HERE / "golden_paths.json").read_text(encoding="ascii"))["vectors"]


@pytest.fixture(name="good", scope="module")
def _good(vectors):
    return [vector for vector in vectors if "kind" in vector]


def file_of(vector):
    """Return the photo file of a vector's parts."""
    if vector["kind"] == "photo_tombstone":
        return PhotoTombstone(vector["volume"], vector["photo"])
    photo_version = PhotoVersion(vector["volume"], vector["photo"], vector["version"])
    if vector["kind"] == "variant":
        return Variant(photo_version, vector["size"], vector["ext"])
    if vector["kind"] == "attempt":
        return Attempt(photo_version, vector["number"])
    return KINDS[vector["kind"]](photo_version)


def test_golden_paths_are_what_the_script_makes(maker):
    """If this fails, run `make golden` and review the diff."""
    path = HERE / "golden_paths.json"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(maker.render(), encoding="ascii")
    assert path.read_text(encoding="ascii") == maker.render()


def test_golden_paths_have_every_kind_and_enough_invalid_ones(vectors, good):
    """The file has every kind of path, and a minimum number of invalid ones."""
    kinds = [vector["kind"] for vector in good]
    assert len(vectors) >= 400
    assert len(vectors) - len(good) >= 200
    assert {kind: kinds.count(kind) >= 5 for kind in set(kinds)} == dict.fromkeys(
        (*KINDS, "variant", "attempt", "photo_tombstone"), True
    )
    assert {vector["ext"] for vector in good if "ext" in vector} == set(EXTENSIONS)


def test_golden_paths_are_parsed_into_their_parts(good):
    """The parser returns the parts in the file."""
    assert [parse_path(vector["path"]) for vector in good] == [file_of(v) for v in good]


def test_golden_paths_are_rendered_from_their_parts(good):
    """The parts are rendered to the exact path."""
    assert [render_path(file_of(vector)) for vector in good] == [v["path"] for v in good]


def test_invalid_golden_texts_are_rejected(vectors):
    """An invalid text raises InvalidPath and no other error."""
    accepted = []
    for vector in vectors:
        if "why" in vector:
            with contextlib.suppress(InvalidPath):
                accepted.append((vector["why"], parse_path(vector["path"])))
    assert accepted == []


def test_a_permission_can_be_signed_for_every_variant_and_nothing_else(vectors):
    """The grammar of permission URLs, which is written separately, agrees."""
    assert PERMITTED_EXTENSIONS == EXTENSIONS
    for vector in vectors:
        if vector.get("kind") == "variant":
            name = parse_photo_path(vector["path"])
            assert (name.size, name.ext) == (vector["size"], vector["ext"])
        else:
            with pytest.raises(Unsignable):
                parse_photo_path(vector["path"])
