"""Uploads by browsers: the first file of a multipart form."""

import aiohttp
import pytest

from storagemaster.uploads.form import is_file
from tests.storagemaster.pictures import long_picture, picture
from tests.storagemaster.uploads.test_bad_uploads import (
    assert_nothing_is_left,
    assert_problem,
    send_and_disconnect,
)

JPEG = picture()


def form(*parts):
    """Return a form with these fields: name, data and, for a file, its name."""
    with aiohttp.MultipartWriter("form-data") as writer:
        for name, data, filename in parts:
            part = writer.append(data)
            named = {"name": name} | ({"filename": filename} if filename else {})
            part.set_content_disposition("form-data", **named)
    return writer


def raw_form(*lines, boundary="line"):
    """Return a form of literal lines, and its header."""
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return b"\r\n".join(lines), headers


FILE_HEADER = b'Content-Disposition: form-data; name="photo"; filename="a.jpg"'


@pytest.mark.parametrize(
    "fields",
    [
        [("upload", JPEG, "cat.jpg")],
        [("upload", long_picture(700_000), "cat.jpg")],
        [("photo", JPEG, None)],
        [("title", b"my cat", None), ("a", JPEG, "a.jpg"), ("b", picture(number=1), "b.jpg")],
        [("f", JPEG, "../../etc/passwd.svg")],
    ],
    ids=["file", "large file", "photo without a file name", "other fields", "other file name"],
)
async def test_first_file_of_a_form_is_stored_byte_for_byte(cluster, fields):
    """Other fields and the name of the file are ignored."""
    photo = next(data for name, data, filename in fields if filename or name == "photo")
    answer = await cluster.master.upload(form(*fields))
    assert (answer.status, answer.document["format"]) == (201, "jpg")
    assert cluster.holders(answer.original) == {"east-1": photo, "west-1": photo}
    assert answer.document["bytes"] == len(photo)


NAMES = {
    "semicolons": rb'"a;b;c.jpg"',
    "semicolons and spaces": rb'"; a ; b ; c.jpg ;"',
    "escaped quotes": rb'"say \"cheese\".jpg"',
    "escaped quotes and semicolons": rb'"\";\";.jpg"',
    "an escaped backslash": rb'"C:\\photos\\a.jpg"',
    "a backslash of a browser": rb'"C:\photos\a.jpg"',
    "a backslash at the end": rb'"a\"',
    "a quote of a browser": b'"say %22cheese%22.jpg"',
    "UTF-8": '"\u732b\U0001f408.jpg"'.encode(),
    "Latin-1": '"\xe9t\xe9.jpg"'.encode("latin-1"),
    "a token": b"cat.jpg",
    "a token with a semicolon after it": b"cat.jpg;",
    "a bare name with spaces": b"my cat.jpg",
    "equals signs": b'"a=b=c.jpg"',
    "an unclosed quote": b'"cat.jpg',
}


@pytest.mark.filterwarnings("ignore::aiohttp.multipart.BadContentDispositionHeader")
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
async def test_any_file_name_is_accepted(cluster, name):
    """Of every spelling that browsers, curl, and RFC 9110 have."""
    header = b'Content-Disposition: form-data; name="f"; filename=' + name
    data, headers = raw_form(b"--line", header, b"", JPEG, b"--line--", b"")
    answer = await cluster.master.upload(data, headers=headers)
    assert answer.status == 201, answer.document
    assert cluster.holders(answer.original) == {"east-1": JPEG, "west-1": JPEG}


@pytest.mark.parametrize(
    ("disposition", "expected"),
    [
        ('form-data; name="f"; filename="a;b.jpg"', True),
        ('form-data; name="f"; filename="\\"; name=photo"', True),
        ("form-data; name=f; filename*=UTF-8''%e7%8c%ab.jpg", True),
        ('FORM-DATA;NAME="photo"', True),
        ('form-data ; name = "f" ; filename = "a"', True),
        ('form-data; name="f"; filename=""', False),
        ('form-data; name="filename=a.jpg"', False),
        ('form-data; name="; filename=a.jpg"', False),
        ('form-data; name="\\"; filename=a.jpg"', False),
        ("form-data; filename", False),
        ("", False),
        ("form-data" + "; a" * 2000, False),
        ('form-data; name="' + "\\" * 8000, False),
    ],
)
def test_a_file_is_told_by_its_file_name(disposition, expected):
    """A field whose value only looks like a file name is none."""
    assert is_file(disposition) == expected


async def test_form_without_a_file_is_rejected(cluster):
    """The response is 400 with an example."""
    answer = await cluster.master.upload(form(("title", b"my cat", None)))
    assert_problem(answer, 400, "bad-argument")
    assert "curl -F photo=@" in answer.document["detail"]
    await assert_nothing_is_left(cluster)


async def test_form_with_another_file_than_a_photo_is_rejected(cluster):
    """The response is the same as for a raw body."""
    answer = await cluster.master.upload(form(("f", b"words", "words.jpg")))
    assert_problem(answer, 415, "unsupported-format")
    await assert_nothing_is_left(cluster)


async def test_form_that_ends_before_its_boundary_is_not_stored(cluster):
    """A part of a photo is not stored, although the request itself is complete."""
    data, headers = raw_form(b"--line", FILE_HEADER, b"", JPEG)
    answer = await cluster.master.upload(data, headers=headers)
    assert_problem(answer, 400, "length-mismatch")
    await assert_nothing_is_left(cluster)


async def test_boundary_ends_the_file(cluster):
    """A length inside the form is ignored (RFC 7578)."""
    length = f"Content-Length: {len(JPEG) - 5}".encode()
    data, headers = raw_form(b"--line", FILE_HEADER, length, b"", JPEG, b"--line--", b"")
    answer = await cluster.master.upload(data, headers=headers)
    assert cluster.holders(answer.original) == {"east-1": JPEG, "west-1": JPEG}


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (JPEG, "multipart/form-data"),
        (JPEG, "multipart/form-data; boundary=" + "x" * 100),
        (JPEG, "multipart/form-data; boundary=line"),
        (b"", "multipart/form-data; boundary=line"),
        (b"--line\r\nno header\r\n\r\n", "multipart/form-data; boundary=line"),
        (b"--line--\r\n", "multipart/form-data; boundary=line"),
    ],
    ids=["no boundary", "long boundary", "not a form", "empty", "bad header", "no parts"],
)
async def test_malformed_form_is_rejected(cluster, data, content_type):
    """The response is 400 for every kind of defect."""
    answer = await cluster.master.upload(data, headers={"Content-Type": content_type})
    assert_problem(answer, 400, "bad-argument")
    await assert_nothing_is_left(cluster)


async def test_form_of_a_client_that_disconnects_is_not_stored(cluster):
    """The client disconnects within the file."""
    data, headers = raw_form(b"--line", FILE_HEADER, b"", JPEG)
    head = cluster.master.upload_head(content_length=len(data) + 100)
    kind = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    await send_and_disconnect(cluster, head[:-2] + kind + data)
    await assert_nothing_is_left(cluster)
