"""Uploads with a ticket: once each, within its limits, and with the application's reference."""

import asyncio
import dataclasses
import hashlib
import time

import aiohttp
import pytest

from permission_urls import Ticket, sign_ticket, ticket_key_of
from tests.storagemaster.pictures import picture
from tests.storagemaster.resumable.tus_client import TusClient
from tests.storagemaster.small_cluster import KEYS
from tests.storagemaster.uploads.test_bad_uploads import assert_problem

PHOTO = picture()
OTHER = picture(number=7)
IDS = iter(f"{number:013d}" for number in range(1000))


def ticket_for(**changes):
    """Return a new ticket of the application `shop` as text."""
    plain = Ticket(
        application="shop", id=next(IDS), expiry=int(time.time()) + 3600, bytes_max=1_000_000
    )
    return sign_ticket(ticket_key_of(KEYS, "shop"), dataclasses.replace(plain, **changes))


def bearer(ticket, **headers):
    """Return the headers of an upload with a ticket."""
    return {"Authorization": f"Bearer {ticket}", **headers}


async def upload(cluster, ticket, data=PHOTO, **headers):
    """Upload a photo with a ticket."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await cluster.master.request(
        "POST", "/photos", data=data, headers=bearer(ticket, **sent)
    )


async def test_a_ticket_stores_one_photo(cluster):
    """Again with the same bytes is the same photo; with other bytes it is a conflict."""
    ticket = ticket_for(ref="order-7")
    first = await upload(cluster, ticket)
    assert (first.status, first.document["ref"]) == (201, "order-7")
    assert first.document["urls"] == {}
    again = await upload(cluster, ticket)
    assert (again.status, again.version) == (200, first.version)
    assert (await upload(cluster, ticket, OTHER)).status == 409
    await cluster.master.delete(first.version)
    assert (await upload(cluster, ticket)).status == 410


async def test_a_ticket_for_several_photos_numbers_them(cluster):
    """Each number stores one photo."""
    ticket = ticket_for(count=2)
    first = await upload(cluster, ticket, PHOTO)
    second = await upload(cluster, ticket, OTHER, Glassplate_Ticket_Index="1")
    assert (first.status, second.status) == (201, 201)
    assert first.version != second.version
    for index in ("2", "-1", "x", "9" * 5000):
        answer = await upload(cluster, ticket, OTHER, Glassplate_Ticket_Index=index)
        assert answer.status == 400


async def test_two_applications_have_two_photos(cluster):
    """The same id of a ticket is another photo for another application."""
    plain = Ticket(
        application="shop", id=next(IDS), expiry=int(time.time()) + 3600, bytes_max=1_000_000
    )
    bank = dataclasses.replace(plain, application="bank")
    versions = {
        (await upload(cluster, sign_ticket(ticket_key_of(KEYS, t.application), t))).version
        for t in (plain, bank)
    }
    assert len(versions) == 2


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"bytes_max": 100}, 413),
        ({"formats": ("png",)}, 415),
        ({"sha256": hashlib.sha256(OTHER).hexdigest()}, 422),
        ({"volume": 9}, 404),
        ({"expiry": int(time.time()) - 10}, 401),
    ],
    ids=str,
)
async def test_a_photo_outside_the_limits_is_refused(cluster, changes, status):
    """Nothing is stored, in one request and resumable."""
    assert (await upload(cluster, ticket_for(**changes))).status == status
    tus = TusClient(cluster.master)
    answer = await tus.begin(len(PHOTO), bearer(ticket_for(**changes)), path="/uploads")
    if answer.status == 201:
        answer = await tus.append(answer.headers["Location"], PHOTO, offset=0)
    assert answer.status == status
    assert not [path for files in cluster.all_files().values() for path in files if "_o." in path]


async def test_a_ticket_names_a_volume(cluster):
    """The photo is there, whatever volume its id belongs to."""
    for volume in (1, 2):
        answer = await upload(cluster, ticket_for(volume=volume))
        assert answer.document["volume"] == volume


async def test_a_ticket_opens_nothing_else(cluster):
    """Tokens do."""
    ticket = ticket_for()
    receipt = await upload(cluster, ticket)
    for method, path in (
        ("GET", f"/photos/{receipt.version}"),
        ("GET", "/status"),
        ("DELETE", f"/photos/{receipt.version.volume}/{receipt.version.photo}"),
        ("POST", "/photos/info"),
    ):
        answer = await cluster.master.request(method, path, headers=bearer(ticket))
        assert answer.status == 401
    keyed = await upload(cluster, ticket, Idempotency_Key="mine")
    assert keyed.status == 400


async def test_a_resumable_upload_with_a_ticket_is_the_same_photo(cluster):
    """The ticket is the key, whatever way the bytes come."""
    ticket = ticket_for(ref="order-8")
    tus = TusClient(cluster.master)
    begun = await tus.begin(len(PHOTO), bearer(ticket), path="/uploads")
    last = await tus.append(begun.headers["Location"], PHOTO, offset=0)
    assert last.status == 204
    again = await upload(cluster, ticket)
    assert (again.status, str(again.version)) == (200, last.headers["Glassplate-Reference"])


async def test_the_application_learns_of_the_photo_by_an_event(cluster):
    """Even if the browser that uploads never tells it."""
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {cluster.master._token}"}
        async with session.get(f"{cluster.master.url}/events", headers=headers) as stream:
            await stream.content.readuntil(b"\n\n")
            await upload(cluster, ticket_for(ref="order-9"))
            event = await stream.content.readuntil(b"\n\n")
    assert b"event: uploaded\n" in event
    assert b'"ref": "order-9"' in event


def form_of(ticket, data=PHOTO, *, first="ticket"):
    """Return the form of a page without JavaScript."""
    form = aiohttp.FormData()
    form.add_field(first, ticket)
    form.add_field("photo", data, filename="cat.jpg", content_type="image/jpeg")
    return form


async def submit(cluster, form):
    """Submit a form without any token; return the status and the headers."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{cluster.master.url}/photos/form", data=form, allow_redirects=False
        ) as response,
    ):
        return response.status, response.headers


async def test_a_form_leads_to_the_address_of_its_ticket(cluster):
    """With the reference of the photo, or with the problem."""
    ticket = ticket_for(to="https://shop.example/done?order=7")
    status, headers = await submit(cluster, form_of(ticket))
    assert status == 303
    address, _, reference = headers["Location"].rpartition("&reference=")
    assert address == "https://shop.example/done?order=7"
    assert reference.count("%2F") == 2
    status, headers = await submit(cluster, form_of(ticket, OTHER))
    assert headers["Location"].endswith("&problem=idempotency-key-reused")


async def test_a_form_without_an_address_gets_the_receipt(cluster):
    """As an upload in one request does."""
    status, headers = await submit(cluster, form_of(ticket_for()))
    assert (status, headers["Content-Type"]) == (201, "application/json; charset=utf-8")


@pytest.mark.parametrize("first", ["photo_of", "Ticket"])
async def test_a_form_that_does_not_begin_with_a_ticket_is_refused(cluster, first):
    """The file is not read before its permission."""
    assert (await submit(cluster, form_of(ticket_for(), first=first)))[0] == 401
    assert (await submit(cluster, form_of("gt1.a.e30.x")))[0] == 401
    assert (await submit(cluster, {"ticket": "no form"}))[0] == 400


async def test_a_malformed_form_is_rejected(cluster):
    """A part whose header is not valid HTTP is an error of the client."""
    answer = await cluster.master.request(
        "POST",
        "/photos/form",
        data=b"--line\r\nno header\r\n\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=line"},
    )
    assert_problem(answer, 400, "bad-argument")


@pytest.mark.parametrize("cut", [40, 80, 120, 200])
async def test_a_ticket_in_a_form_can_arrive_in_two_packets(cluster, cut):
    """Networks divide a form anywhere."""
    ticket = ticket_for(ref="a" * 64).encode()
    field = b'Content-Disposition: form-data; name="ticket"\r\n\r\n' + ticket
    photo = b'Content-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n' + PHOTO
    whole = b"--line\r\n" + field + b"\r\n--line\r\n" + photo + b"\r\n--line--\r\n"

    async def in_two_packets():
        yield whole[:cut]
        await asyncio.sleep(0.05)
        yield whole[cut:]

    headers = {"Content-Type": "multipart/form-data; boundary=line"}
    answer = await cluster.master.request(
        "POST", "/photos/form", data=in_two_packets(), headers=headers
    )
    assert (answer.status, answer.document["ref"]) == (201, "a" * 64)
