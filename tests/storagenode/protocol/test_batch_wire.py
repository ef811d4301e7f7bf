"""Batches of small files: bodies come back as they were rendered, and other bodies are refused."""

import json

import pytest

from storagenode.protocol import batch_wire, wire
from storagenode.protocol.batch_wire import BATCH_FILES_MAX, InMemoryFile, ReadFile
from storagenode.protocol.errors import BadRequest, Conflict, Gone, Unreachable
from storagenode.protocol.files import Published
from storagenode.protocol.framing import header_of
from storagenode.protocol.routes import WRITE_MANY, signed_digest
from tests.storagenode.photo_samples import MTIME, bytes_of, digest_of, variant_of, version_of


def file_of(number, *, size=3000, hint_for=None):
    """Return a small file with bytes of its own."""
    data = bytes_of(number, size=size)
    return InMemoryFile(
        variant_of(version_of(number), hint_for=hint_for), data, digest_of(data), MTIME
    )


def body_of(files):
    """Return the body of a batch."""
    return b"".join(batch_wire.render_writes(files))


def test_writes_come_back_from_their_body():
    """Hints, empty files, and the largest one included."""
    largest = file_of(4, size=wire.WHOLE_BYTES_MAX)
    files = [file_of(1), file_of(2, hint_for="east-1"), file_of(3, size=0), largest]
    assert batch_wire.parse_writes(body_of(files)) == files
    assert len(body_of([largest])) < WRITE_MANY.body_bytes_max


def test_writes_are_signed_over_a_header_with_all_digests():
    """The signature then covers every byte of the files."""
    files = [file_of(1), file_of(2)]
    body = body_of(files)
    assert body == header_of(body) + b"".join(file.data for file in files)
    assert all(file.digest.encode() in header_of(body) for file in files)
    assert signed_digest(WRITE_MANY.signed, body) == digest_of(header_of(body))


def test_a_body_without_a_header_is_signed_whole():
    """No byte of it is unsigned."""
    assert header_of(b"no line") == b"no line"


def body_with(**changes):
    """Return a batch of one file with other fields in its row."""
    body = body_of([file_of(1)])
    row = json.loads(header_of(body))[0] | changes
    return json.dumps([row]).encode() + b"\n" + body[len(header_of(body)) :]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"[]\n",
        b"{}\n",
        b"nonsense\n",
        b"[[]]\n",
        b"[{}]\n",
        b"[[1, 2, 3, 4, 5]]\n",
        body_with(path="../../etc/passwd"),
        body_with(path="42/k7/x.jpg"),
        body_with(hint_for="../x"),
        body_with(bytes=-1),
        body_with(bytes=2999),
        body_with(bytes=3001),
        body_with(bytes="3000"),
        body_of([file_of(1, size=wire.WHOLE_BYTES_MAX + 1)]),
        body_with(mtime="soon"),
        body_with(mtime=-1),
        body_with(mtime=10**12),
        body_of([file_of(each, size=1) for each in range(BATCH_FILES_MAX + 1)]),
    ],
)
def test_an_invalid_batch_of_writes_is_refused(body):
    """No file of it is published."""
    with pytest.raises(BadRequest):
        batch_wire.parse_writes(body)


def test_outcomes_come_back_from_their_rows():
    """Published files and errors."""
    published = Published("42/k7/x.jpg", "a" * 64, 3000, 5, existed=True)
    outcomes = [Gone("it is gone"), published, Conflict("it is taken")]
    rows = json.loads(json.dumps(batch_wire.render_outcomes(outcomes)))
    parsed = batch_wire.parse_outcomes(rows, count=3)
    assert parsed[1] == published
    assert [(type(each), str(each)) for each in parsed[::2]] == [
        (Gone, "it is gone"),
        (Conflict, "it is taken"),
    ]


@pytest.mark.parametrize("rows", [[], [{}], [{"path": "x"}], [{"error": "gone"}], {"a": 1}, [3]])
def test_invalid_outcomes_are_an_error(rows):
    """Another program may have the node's port."""
    with pytest.raises((TypeError, KeyError)):
        batch_wire.parse_outcomes(rows, count=1)


def test_reads_come_back_from_their_body():
    """A file that cannot be read has its error in its row."""
    outcomes = [ReadFile(b"one", 1), Gone("it is gone"), ReadFile(b"", 2)]
    parsed = batch_wire.parse_reads(batch_wire.render_reads(outcomes))
    assert parsed[::2] == outcomes[::2]
    assert (type(parsed[1]), str(parsed[1])) == (Gone, "it is gone")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'[{"bytes": 1, "mtime": 1}]\n', b'[{"bytes": 1}]\nx', b"[1]\n"]
)
def test_an_invalid_batch_of_reads_says_nothing_about_the_files(body):
    """The outcome of every file is unknown."""
    with pytest.raises(Unreachable):
        batch_wire.parse_reads(body)
