"""A photo that is ready asks for its slow variants, which come in a bundle without an info."""

import hashlib
import json

import pytest

from storagemaster.client import MasterRefused
from storagemaster.job_wire import SECOND_PASS_QUEUE, JobKind
from storagemaster.jobs.second_pass import SecondPasses, missing_second_pass, second_pass_of
from storagenode.protocol.files import ListedFile
from storagenode.protocol.wire import BundledFile, render_bundle
from tests.storagemaster.pictures import picture
from volumes.photo_path import Attempt, Info, Variant, parse_photo_version, render_path
from volumes.sizes import DEFAULT_SIZES
from volumes.variant_formats import VariantFormats

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
        cluster.master.queue, "enqueue", lambda original, **how: asked.append((original, how))
    )
    photo_version = (await cluster.master.upload(picture())).version
    asked.clear()
    await cluster.master.worker.put_bundle(
        photo_version, bundle((Info(photo_version), info(ANNOUNCED))), mtime_seconds=1
    )
    how = {"queue_name": SECOND_PASS_QUEUE, "kind": JobKind.SECOND_PASS}
    assert asked == [(Variant(photo_version, "o", "jpg"), how)]


@pytest.fixture(name="sweeping")
def _sweeping(cluster, monkeypatch):
    """A sweep that wants AVIF, what it asked for, and what the queue says of a job meanwhile."""
    master, asked, said = cluster.master, [], {"state": ""}

    async def job_state(_original, _kind):
        return said["state"]

    monkeypatch.setattr(master.queue, "job_state", job_state)
    monkeypatch.setattr(
        master.queue,
        "enqueue",
        lambda original, **how: asked.append((original.photo_version, how)),
    )
    master.sweep._second_passes = SecondPasses(
        VariantFormats(avif=True), DEFAULT_SIZES, master.queue
    )
    return asked, said


async def ready_photo(cluster, asked, announced):
    """A photo with one JPEG and an info that announces so much; nothing is asked for it yet."""
    photo_version = (await cluster.master.upload(picture())).version
    files = bundle(
        (Variant(photo_version, "t", "jpg"), b"jpg"), (Info(photo_version), info(announced))
    )
    await cluster.master.worker.put_bundle(photo_version, files, mtime_seconds=1)
    asked.clear()
    return photo_version


async def test_a_second_pass_that_the_queue_lost_is_asked_for_again_three_times(cluster, sweeping):
    """Not at first sight, and not for ever; one that only waits for its turn is not counted."""
    asked, said = sweeping
    photo_version = await ready_photo(cluster, asked, ANNOUNCED)
    await cluster.master.sweep.sweep(1)
    assert asked == []
    said["state"] = "queued"
    for _ in range(4):
        await cluster.master.sweep.sweep(1)
    said["state"] = ""
    for _ in range(5):
        await cluster.master.sweep.sweep(1)
    assert asked == 7 * [
        (photo_version, {"queue_name": SECOND_PASS_QUEUE, "kind": JobKind.SECOND_PASS})
    ]


async def test_a_second_pass_that_is_made_or_was_never_announced_is_not_asked_for(
    cluster, sweeping
):
    """An older recipe announced none, and the info is the truth."""
    asked, _ = sweeping
    await ready_photo(cluster, asked, [])
    photo_version = await ready_photo(cluster, asked, ANNOUNCED)
    avif = bundle((Variant(photo_version, "t", "avif"), b"avif"))
    await cluster.master.worker.put_bundle(photo_version, avif, mtime_seconds=1)
    for _ in range(3):
        await cluster.master.sweep.sweep(1)
    assert asked == []


@pytest.mark.parametrize(
    ("names", "is_lacking"),
    [
        (("_o.jpg", "_t.jpg", ".json"), True),
        (("_o.jpg", "_t.jpg", "_t.avif", ".json"), False),
        (("_o.jpg", "_t.jpg", "_m.jpg", "_t.avif", ".json"), True),
        (("_o.jpg", "_k.jpg", ".json"), False),
        (("_o.jpg", "_t.jpg"), False),
        (("_o.jpg", "_t.jpg", ".json", ".gone"), False),
        (("_o.avif", ".json"), False),
    ],
)
def test_lacking_is_a_ready_photo_with_a_small_jpeg_alone(names, is_lacking):
    """What is not ready is the first pass's to make."""
    stem = f"{OF.photo}_{OF.version}"
    files = [ListedFile(f"{stem}{name}", 1, "") for name in names]
    found = missing_second_pass(OF.volume, files, frozenset("tm"))
    assert found == ({OF} if is_lacking else set())


async def test_a_bundle_without_an_info_is_a_second_pass_or_refused(cluster):
    """AVIF may come later; JPEG without its info would be half a photo."""
    photo_version = (await cluster.master.upload(picture())).version
    put = cluster.master.worker.put_bundle
    await put(
        photo_version, bundle((Variant(photo_version, "t", "avif"), b"avif")), mtime_seconds=1
    )
    with pytest.raises(MasterRefused):
        await put(
            photo_version, bundle((Variant(photo_version, "t", "jpg"), b"jpg")), mtime_seconds=1
        )


async def test_of_two_notes_of_one_attempt_the_first_stays(cluster):
    """Two workers may fail at once, each for its own reason."""
    photo_version = (await cluster.master.upload(picture())).version
    put = cluster.master.worker.put_bundle
    for note in (b"first", b"second"):
        await put(photo_version, bundle((Attempt(photo_version, 1), note)), mtime_seconds=1)
    path = render_path(Attempt(photo_version, 1))
    assert cluster.holders(path) == {"east-1": b"first", "west-1": b"first"}
    status = (await cluster.master.photo(photo_version)).document
    assert (status["state"], status["position"]) == ("pending", None)
