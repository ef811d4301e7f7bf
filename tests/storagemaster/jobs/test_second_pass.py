"""The second pass: a ready photo enqueues it, and its bundle has no info."""

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
    """Return an info document that declares a second pass."""
    return json.dumps(
        {"variants": [], "original": {"ext": ext}, "second_pass": second_pass}
    ).encode()


def bundle(*files):
    """Return a bundle of files and their bytes."""
    return render_bundle(
        BundledFile(render_path(file), hashlib.sha256(data).hexdigest(), data)
        for file, data in files
    )


def test_only_an_info_that_declares_a_second_pass_needs_one():
    """An unreadable info needs none."""
    assert second_pass_of(OF, info(ANNOUNCED, "png")) == Variant(OF, "o", "png")
    for document in (info([]), info(ANNOUNCED, "exe"), b"", b"[]", b"{}", b"\xff", b"null"):
        assert second_pass_of(OF, document) is None


async def test_a_second_pass_is_enqueued_when_the_info_is_mirrored(cluster, monkeypatch):
    """It goes to the last queue."""
    enqueued = []
    monkeypatch.setattr(
        cluster.master.queue, "enqueue", lambda original, **how: enqueued.append((original, how))
    )
    photo_version = (await cluster.master.upload(picture())).version
    enqueued.clear()
    await cluster.master.worker.put_bundle(
        photo_version, bundle((Info(photo_version), info(ANNOUNCED))), mtime_seconds=1
    )
    how = {"queue_name": SECOND_PASS_QUEUE, "kind": JobKind.SECOND_PASS}
    assert enqueued == [(Variant(photo_version, "o", "jpg"), how)]


@pytest.fixture(name="swept")
def _swept(cluster, monkeypatch):
    """Return a sweep with AVIF, the jobs that it enqueued, and the state of the queue's job."""
    master, enqueued, job = cluster.master, [], {"state": ""}

    async def job_state(_original, _kind):
        return job["state"]

    monkeypatch.setattr(master.queue, "job_state", job_state)
    monkeypatch.setattr(
        master.queue,
        "enqueue",
        lambda original, **how: enqueued.append((original.photo_version, how)),
    )
    master.sweep._second_passes = SecondPasses(
        VariantFormats(avif=True), DEFAULT_SIZES, master.queue
    )
    return enqueued, job


async def ready_photo(cluster, enqueued, announced):
    """Store a photo with one JPEG and an info, and forget the jobs enqueued so far."""
    photo_version = (await cluster.master.upload(picture())).version
    files = bundle(
        (Variant(photo_version, "t", "jpg"), b"jpg"), (Info(photo_version), info(announced))
    )
    await cluster.master.worker.put_bundle(photo_version, files, mtime_seconds=1)
    enqueued.clear()
    return photo_version


async def test_a_lost_second_pass_is_enqueued_three_times(cluster, swept):
    """The first sweep only records it. A job that still waits does not count."""
    enqueued, job = swept
    photo_version = await ready_photo(cluster, enqueued, ANNOUNCED)
    await cluster.master.sweep.sweep([1])
    assert enqueued == []
    job["state"] = "queued"
    for _ in range(4):
        await cluster.master.sweep.sweep([1])
    job["state"] = ""
    for _ in range(5):
        await cluster.master.sweep.sweep([1])
    assert enqueued == 7 * [
        (photo_version, {"queue_name": SECOND_PASS_QUEUE, "kind": JobKind.SECOND_PASS})
    ]


async def test_a_made_or_undeclared_second_pass_is_not_enqueued(cluster, swept):
    """The info decides, even if the current recipe has AVIF."""
    enqueued, _ = swept
    await ready_photo(cluster, enqueued, [])
    photo_version = await ready_photo(cluster, enqueued, ANNOUNCED)
    avif = bundle((Variant(photo_version, "t", "avif"), b"avif"))
    await cluster.master.worker.put_bundle(photo_version, avif, mtime_seconds=1)
    for _ in range(3):
        await cluster.master.sweep.sweep([1])
    assert enqueued == []


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
def test_a_second_pass_is_missing_if_a_ready_photo_has_a_small_jpeg_alone(names, is_lacking):
    """The first pass makes the variants of a photo that is not ready."""
    stem = f"{OF.photo}_{OF.version}"
    files = [ListedFile(f"{stem}{name}", 1, "") for name in names]
    found = missing_second_pass(OF.volume, files, frozenset("tm"), "")
    assert found == ({OF} if is_lacking else set())


@pytest.mark.parametrize(
    ("names", "is_lacking"),
    [
        (("_o.jpg", "_k.jpg", ".json"), True),
        (("_o.jpg", "_k.jpg", "_x.webp", ".json"), True),
        (("_o.jpg", "_k.jpg", "_x.jpg", ".json"), False),
        (("_o.jpg", "_k.jpg"), False),
        (("_o.jpg", "_k.jpg", ".json", ".gone"), False),
    ],
)
def test_a_second_pass_is_missing_if_a_ready_photo_has_no_full_size(names, is_lacking):
    """The first pass makes the full size of every photo that is small."""
    stem = f"{OF.photo}_{OF.version}"
    files = [ListedFile(f"{stem}{name}", 1, "") for name in names]
    assert missing_second_pass(OF.volume, files, frozenset(), "x") == (
        {OF} if is_lacking else set()
    )


async def test_a_bundle_without_an_info_is_a_second_pass_or_refused(cluster):
    """AVIF or the full size alone is accepted. Another JPEG without an info is refused."""
    photo_version = (await cluster.master.upload(picture())).version
    put = cluster.master.worker.put_bundle
    await put(
        photo_version, bundle((Variant(photo_version, "t", "avif"), b"avif")), mtime_seconds=1
    )
    await put(photo_version, bundle((Variant(photo_version, "x", "jpg"), b"jpg")), mtime_seconds=1)
    with pytest.raises(MasterRefused):
        await put(
            photo_version, bundle((Variant(photo_version, "t", "jpg"), b"jpg")), mtime_seconds=1
        )


async def test_the_first_record_of_an_attempt_stays(cluster):
    """Two workers can fail concurrently with different reasons."""
    photo_version = (await cluster.master.upload(picture())).version
    put = cluster.master.worker.put_bundle
    for record in (b"first", b"second"):
        await put(photo_version, bundle((Attempt(photo_version, 1), record)), mtime_seconds=1)
    path = render_path(Attempt(photo_version, 1))
    assert cluster.holders(path) == {"east-1": b"first", "west-1": b"first"}
    status = (await cluster.master.photo(photo_version)).document
    assert (status["state"], status["position"]) == ("pending", None)
