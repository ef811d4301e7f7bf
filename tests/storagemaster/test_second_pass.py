"""A photo that is ready asks for its slow variants, which come in a bundle without an info."""

import hashlib
import json

import pytest

from storagemaster.client import MasterRefused
from storagemaster.job_wire import SECOND_PASS_LANE, JobKind
from storagemaster.second_pass import second_pass_of
from storagenode.wire import BundledFile, render_bundle
from tests.storagemaster.pictures import picture
from volumes.photo_path import Attempt, Info, Variant, parse_photo_version, render_path

OF = parse_photo_version("42/01jd3x8m2c9qp4k7/3fz8qd")
ANNOUNCED = [{"size": "t", "ext": "avif", "width": 100, "height": 67}]


def info(second_pass, ext="jpg"):
    """An info document that announces variants."""
    return json.dumps(
        {"variants": [], "original": {"ext": ext}, "second_pass": second_pass}
    ).encode()


def bundle(*files):
    """A bundle of these files and their bytes."""
    return render_bundle(
        BundledFile(render_path(file), hashlib.sha256(data).hexdigest(), data)
        for file, data in files
    )


def test_only_an_info_that_announces_variants_asks_for_a_second_pass():
    """And what cannot be read asks for none."""
    assert second_pass_of(OF, info(ANNOUNCED, "png")) == Variant(OF, "o", "png")
    for document in (info([]), info(ANNOUNCED, "exe"), b"", b"[]", b"{}", b"\xff", b"null"):
        assert second_pass_of(OF, document) is None


async def test_a_second_pass_is_asked_for_when_the_first_is_mirrored(cluster, monkeypatch):
    """In the last lane."""
    asked = []
    monkeypatch.setattr(
        cluster.master.queue, "ask_for_sizes", lambda original, **how: asked.append((original, how))
    )
    of = (await cluster.master.upload(picture())).version
    asked.clear()
    await cluster.master.worker.put_bundle(of, bundle((Info(of), info(ANNOUNCED))), mtime_seconds=1)
    how = {"lane": SECOND_PASS_LANE, "kind": JobKind.SECOND_PASS}
    assert asked == [(Variant(of, "o", "jpg"), how)]


async def test_a_bundle_without_an_info_is_a_second_pass_or_refused(cluster):
    """AVIF may come later; JPEG without its info would be half a photo."""
    of = (await cluster.master.upload(picture())).version
    put = cluster.master.worker.put_bundle
    await put(of, bundle((Variant(of, "t", "avif"), b"avif")), mtime_seconds=1)
    with pytest.raises(MasterRefused):
        await put(of, bundle((Variant(of, "t", "jpg"), b"jpg")), mtime_seconds=1)


async def test_of_two_notes_of_one_attempt_the_first_stays(cluster):
    """Two workers may fail at once, each for its own reason."""
    of = (await cluster.master.upload(picture())).version
    put = cluster.master.worker.put_bundle
    for note in (b"first", b"second"):
        await put(of, bundle((Attempt(of, 1), note)), mtime_seconds=1)
    path = render_path(Attempt(of, 1))
    assert cluster.holders(path) == {"east-1": b"first", "west-1": b"first"}
    status = (await cluster.master.photo(of)).document
    assert (status["state"], status["position"]) == ("pending", None)
