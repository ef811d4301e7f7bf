"""Applications: what a table of the config restricts, and what two of them share."""

import dataclasses
import time

import pytest

from glassplate.session.new_tokens import new_token
from permission_urls import Ticket, sign_ticket, sign_token, ticket_key_of
from storagemaster.events.webhooks import receivers_of
from tests.storagemaster.pictures import picture
from tests.storagemaster.resumable.tus_client import TusClient
from tests.storagemaster.small_cluster import KEYS, node_cluster
from tests.storagemaster.uploads.test_bad_uploads import assert_nothing_is_left, assert_problem
from volumes.cluster import Application

PHOTO = picture()
OTHER = picture(number=7)
IDS = iter(f"{number:013d}" for number in range(1000))


def token_of(application, scopes=("upload", "read"), **claims):
    """Return the Authorization header with a new token of an application."""
    token = new_token(scopes, application=application, **claims)
    return {"Authorization": f"Bearer {sign_token(KEYS, token)}"}


def ticket_of(application, **claims):
    """Return the Authorization header with a new ticket of an application."""
    values = {"expiry": int(time.time()) + 3600, "bytes_max": 1_000_000, **claims}
    ticket = Ticket(application=application, id=next(IDS), **values)
    return {"Authorization": f"Bearer {sign_ticket(ticket_key_of(KEYS, application), ticket)}"}


CREDENTIALS = pytest.mark.parametrize("credential_of", [token_of, ticket_of])


def shop(**restrictions):
    """Return the applications of a config with one that is restricted."""
    return {"shop": Application(name="shop", **restrictions)}


async def upload(cluster, headers, data=PHOTO, *, query="", key=None):
    """Upload a photo with these credentials."""
    sent = headers if key is None else headers | {"Idempotency-Key": key}
    return await cluster.master.request("POST", f"/photos{query}", data=data, headers=sent)


@CREDENTIALS
async def test_photos_go_to_the_volumes_of_the_application(cluster_with, credential_of):
    """Other volumes do not exist for it, and another application may use all."""
    cluster = await cluster_with(applications=shop(volumes=((2, 2),)))
    for _ in range(5):
        stored = await upload(cluster, credential_of("shop"))
        assert stored.document["volume"] == 2
    assert_problem(
        await upload(cluster, credential_of("shop"), query="?volume=1"), 404, "unknown-volume"
    )
    others = [await upload(cluster, credential_of("blog")) for _ in range(20)]
    assert {stored.document["volume"] for stored in others} == {1, 2}


@CREDENTIALS
async def test_a_credential_without_a_volume_of_its_application_is_refused(
    cluster_with, credential_of
):
    """Claims never add to what the table permits."""
    cluster = await cluster_with(applications=shop(volumes=((2, 2),)))
    volumes = {"volume": 1} if credential_of is ticket_of else {"volumes": [(1, 1)]}
    refused = await upload(cluster, credential_of("shop", **volumes))
    assert_problem(refused, 403, "not-allowed")
    await assert_nothing_is_left(cluster)


async def test_photos_of_other_volumes_do_not_exist_for_an_application(cluster_with):
    """A token without volumes reads and deletes only photos of its application."""
    cluster = await cluster_with(applications=shop(volumes=((2, 2),)))
    photo = (await cluster.master.upload(PHOTO, volume=1)).version
    headers = token_of("shop", ["read", "delete"])
    for method in ("GET", "DELETE"):
        answer = await cluster.master.request(method, f"/photos/{photo}", headers=headers)
        assert_problem(answer, 404, "unknown-volume")
    assert (await cluster.master.request("GET", f"/photos/{photo}")).status == 200


@CREDENTIALS
@pytest.mark.parametrize("way", ["whole", "resumable"])
async def test_a_photo_over_the_size_of_the_application_is_refused(
    cluster_with, credential_of, way
):
    """It gets 413; a photo of that size is stored."""
    cluster = await cluster_with(applications=shop(upload_bytes_max=len(PHOTO) - 1))
    headers = credential_of("shop")
    if way == "whole":
        refused = await upload(cluster, headers)
    else:
        tus = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(PHOTO))}
        refused = await cluster.master.request("POST", "/uploads", headers=headers | tus)
    assert_problem(refused, 413, "too-large")
    await assert_nothing_is_left(cluster)
    assert (await upload(cluster, credential_of("blog"))).status == 201


@CREDENTIALS
async def test_a_format_that_the_application_does_not_accept_is_refused(
    cluster_with, credential_of
):
    """It gets 415, which names the accepted formats."""
    cluster = await cluster_with(applications=shop(formats=("png", "heic")))
    refused = await upload(cluster, credential_of("shop"))
    assert_problem(refused, 415, "unsupported-format")
    assert "accepts png, heic, not jpg" in refused.document["detail"]
    await assert_nothing_is_left(cluster)


async def test_a_resumable_upload_of_another_format_is_refused(cluster_with):
    """The application's formats apply to resumable uploads also."""
    cluster = await cluster_with(applications=shop(formats=("png",)))
    tus = TusClient(cluster.master)
    begun = await tus.begin(len(PHOTO), token_of("shop"), path="/uploads")
    refused = await tus.append(begun.headers["Location"], PHOTO, offset=0)
    assert refused.status == 415


async def test_a_ticket_cannot_add_formats_or_bytes(cluster_with):
    """The lower size and the common formats count."""
    restricted = shop(formats=("png", "jpg"), upload_bytes_max=len(PHOTO))
    cluster = await cluster_with(applications=restricted)
    assert (await upload(cluster, ticket_of("shop", formats=("jpg", "gif")))).status == 201
    for claims in ({"formats": ("gif",)}, {"formats": ("png",)}):
        assert (await upload(cluster, ticket_of("shop", **claims))).status == 415
    assert (await upload(cluster, ticket_of("shop", bytes_max=len(PHOTO) - 1))).status == 413


async def test_the_uploads_of_all_tokens_and_tickets_of_an_application_count(cluster_with):
    """The third upload of a minute gets 429, whatever its credential is."""
    cluster = await cluster_with(applications=shop(uploads_per_minute=1))
    minute = int(time.time()) // 60
    answers = [
        await upload(cluster, credential)
        for credential in (token_of("shop"), ticket_of("shop"), token_of("shop"))
    ]
    refused = [answer for answer in answers if answer.status == 429]
    assert len(refused) >= 2 - (int(time.time()) // 60 - minute)
    assert all("application shop permits 1 uploads" in each.document["detail"] for each in refused)
    assert (await upload(cluster, token_of("blog"))).status == 201


async def test_two_applications_with_one_key_have_two_photos(cluster):
    """Neither learns of the other's photo, before or after a delete (A5)."""
    mine, yours = token_of("shop", ["upload", "read", "delete"]), token_of("blog")
    first = await upload(cluster, mine, key="invoice-1")
    second = await upload(cluster, yours, OTHER, key="invoice-1")
    assert (first.status, second.status) == (201, 201)
    assert first.document["photo"] != second.document["photo"]
    assert first.document["sha256"] not in str(second.document)
    for headers, photo, data in ((mine, first, PHOTO), (yours, second, OTHER)):
        again = await upload(cluster, headers, data, key="invoice-1")
        assert (again.status, again.version) == (200, photo.version)
        conflict = await upload(cluster, headers, picture(number=9), key="invoice-1")
        assert_problem(conflict, 409, "idempotency-key-reused")
        assert photo.document["sha256"] not in str(conflict.document)
    await cluster.master.request("DELETE", f"/photos/{first.version}", headers=mine)
    assert (await upload(cluster, mine, key="invoice-1")).status == 410
    assert (await upload(cluster, yours, OTHER, key="invoice-1")).status == 200


async def test_a_key_of_a_volume_is_not_known_in_another_application(cluster):
    """The same bytes, key, and volume give a new photo: a key opens nothing of others."""
    first = await upload(cluster, token_of("shop", volumes=[(1, 1)]), key="k")
    second = await upload(cluster, token_of("blog", volumes=[(1, 1)]), key="k")
    assert (first.status, second.status) == (201, 201)
    assert first.document["photo"] != second.document["photo"]


def test_webhooks_of_an_application_have_its_volumes_only(roots):
    """A URL of two applications gets the events of each, and one of the cluster has all.

    Ranges and None include volumes that are opened later.
    """
    applications = {
        "shop": Application(name="shop", volumes=((1, 1),), webhook_urls=("both", "shop")),
        "blog": Application(name="blog", volumes=((2, 2),), webhook_urls=("both",)),
        "free": Application(name="free", webhook_urls=("free",)),
    }
    cluster = dataclasses.replace(
        node_cluster(roots), webhook_urls=("all",), applications=applications
    )
    seen = [(each.url, each.application, each.volumes) for each in receivers_of(cluster)]
    assert seen == [
        ("all", None, None),
        ("both", "shop", ((1, 1),)),
        ("shop", "shop", ((1, 1),)),
        ("both", "blog", ((2, 2),)),
        ("free", "free", None),
    ]
