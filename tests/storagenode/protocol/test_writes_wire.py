"""The bodies that small files go to a node in, and what is no such body."""

import json

import pytest

from storagenode.protocol import wire, writes_wire
from storagenode.protocol.errors import BadRequest, Conflict, Gone
from storagenode.protocol.files import Published
from storagenode.protocol.writes_wire import FILES_MAX, InMemoryFile
from tests.storagenode.photo_samples import MTIME, bytes_of, digest_of, variant_of, version_of


def file_of(number, *, size=3000, hint_for=None):
    """A small file that is told apart by its number."""
    data = bytes_of(number, size=size)
    return InMemoryFile(
        variant_of(version_of(number), hint_for=hint_for), data, digest_of(data), MTIME
    )


def body_of(files):
    """As it goes over the wire."""
    return b"".join([writes_wire.render_line(files), *(file.data for file in files)])


def test_files_come_as_they_were_sent():
    """Those at home and those held for another, empty ones too."""
    files = [file_of(1), file_of(2, hint_for="east-1"), file_of(3, size=0)]
    assert writes_wire.parse_writes(body_of(files)) == files


def test_what_is_signed_is_the_first_line():
    """It has the digest of all that follows."""
    files = [file_of(1), file_of(2)]
    assert writes_wire.signed_part(body_of(files)) == writes_wire.render_line(files)
    assert all(file.digest.encode() in writes_wire.render_line(files) for file in files)


def test_a_body_without_a_line_is_signed_whole():
    """So that nothing of it is unsigned."""
    assert writes_wire.signed_part(b"no line") == b"no line"


def line_with(**changes):
    """The first line of one file, with other fields."""
    fields = dict(
        zip(
            ("path", "hint_for", "mtime", "digest", "size"),
            json.loads(writes_wire.render_line([file_of(1)]))[0],
            strict=True,
        )
    )
    return json.dumps([[*(fields | changes).values()]]).encode() + b"\n"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"[]\n",
        b"{}\n",
        b"nonsense\n",
        b"[[]]\n",
        b"[[1, 2, 3, 4, 5]]\n",
        line_with(path="../../etc/passwd"),
        line_with(path="42/k7/x.jpg"),
        line_with(hint_for="../x"),
        line_with(size=-1) + file_of(1).data,
        line_with(size=2999) + file_of(1).data,
        line_with(size=3001) + file_of(1).data,
        line_with(size="3000") + file_of(1).data,
        line_with(size=wire.WHOLE_BYTES_MAX + 1) + bytes(wire.WHOLE_BYTES_MAX + 1),
        line_with(mtime="soon") + file_of(1).data,
        line_with(mtime=-1) + file_of(1).data,
        line_with(mtime=10**12) + file_of(1).data,
        body_of([file_of(number, size=1) for number in range(FILES_MAX + 1)]),
    ],
)
def test_what_is_no_such_body_is_refused(body):
    """Whole: no file of it is published."""
    with pytest.raises(BadRequest):
        writes_wire.parse_writes(body)


def test_outcomes_come_as_they_were_told():
    """What was published, and why the others were not."""
    published = Published("42/k7/x.jpg", "a" * 64, 3000, existed=True)
    outcomes = [Gone("it is gone"), published, Conflict("it is taken")]
    rows = json.loads(json.dumps(writes_wire.render_outcomes(outcomes)))
    parsed = writes_wire.parse_outcomes(rows, count=3)
    assert parsed[1] == published
    assert [(type(each), str(each)) for each in parsed[::2]] == [
        (Gone, "it is gone"),
        (Conflict, "it is taken"),
    ]


@pytest.mark.parametrize("rows", [[], [{}], [{"path": "x"}], [{"error": "Gone"}], {"a": 1}, [3]])
def test_what_are_no_outcomes_is_an_error(rows):
    """As when something else has taken the node's port."""
    with pytest.raises((TypeError, KeyError)):
        writes_wire.parse_outcomes(rows, count=1)
