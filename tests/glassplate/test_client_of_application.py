"""A client with an application's file, against a cluster: all that an application does."""

import json
import time
import urllib.error
import urllib.request
from datetime import timedelta

import pytest

from glassplate import (
    InvalidWebhook,
    NoKeys,
    NotAllowed,
    PhotoEvent,
    TicketUse,
    UsageError,
    blocking,
)
from permission_urls import Purpose, application_key, sign_webhook
from tests.glassplate.application_files import export_application
from tests.glassplate.conftest import QUICK
from tests.glassplate.live_cluster import jpeg


@pytest.fixture(name="export")
def _export(cluster, tmp_path):
    """Return a function that exports the file of an application, and returns its path."""
    return lambda *options: export_application(cluster, tmp_path, *options)


@pytest.fixture(name="shop")
def _shop(export):
    """Return an open client of the application."""
    with blocking.Client.from_application(export(), **QUICK) as client:
        yield client


def test_an_application_uploads_reads_and_deletes(shop, photo):
    """Its token permits it, and its own URLs serve the photo."""
    receipt = shop.put(photo)
    url = shop.url(receipt.reference, "o", ext="jpg", expires=timedelta(hours=1))
    with urllib.request.urlopen(url) as response:
        assert response.read() == photo
    assert shop.info(receipt.reference).state == "pending"
    assert shop.delete(receipt.reference).photo == receipt.photo


def test_an_application_has_no_other_scope(shop):
    """Its file can neither repair nor sign a token."""
    with pytest.raises(NotAllowed):
        shop.repair(1)
    with pytest.raises(NoKeys, match=r"shop\.toml has no key for it"):
        shop.sign_token(["admin"])


def test_a_file_without_read_key_signs_no_url(export):
    """The message names the file."""
    client = blocking.Client.from_application(export("--no-read-key"))
    with pytest.raises(NoKeys, match=r"shop\.toml has no key"):
        client.url("1/01jd3x8m2c9qp4k7/3fz8qd", "m")


def test_a_ticket_uploads_one_photo(shop, cluster, seeds):
    """Its bearer needs nothing else, and cannot store a second photo."""
    ticket = shop.ticket(ref="order-7", formats=["jpg"], bytes_max=1_000_000)
    photo = jpeg(next(seeds))
    status, receipt = post(cluster, ticket, photo)
    assert (status, receipt["ref"]) == (201, "order-7")
    assert post(cluster, ticket, jpeg(next(seeds)))[0] == 409
    reference = f"{receipt['volume']}/{receipt['photo']}/{receipt['version']}"
    assert shop.get(reference, "o") == photo
    assert shop.ticket_uses(ticket) == [TicketUse(index=0, state="stored", reference=reference)]


def post(cluster, ticket, body):
    """Upload with a ticket; return the status and the document."""
    request = urllib.request.Request(
        f"{cluster.masters[0]}/photos", data=body, headers={"Authorization": f"Bearer {ticket}"}
    )
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize(
    "fields", [{"count": 0}, {"ref": "x" * 65}, {"to": "ftp://x"}, {"formats": []}], ids=str
)
def test_an_invalid_ticket_is_refused(export, fields):
    """The error is the caller's."""
    with pytest.raises(UsageError, match="invalid ticket"):
        blocking.Client.from_application(export()).ticket(**fields)


def test_a_webhook_is_verified_for_its_application(export, cluster):
    """The event is typed. One for another application, or a changed one, is refused."""
    client = blocking.Client.from_application(export())
    body = json.dumps(
        {"volume": 3, "photo": "01jd3x8m2c9qp4k7", "version": "3fz8qd", "state": "uploaded"}
        | {"reason": "", "ref": "order-7", "more": "of a later version"}
    ).encode()

    def signed(application, body, *, age_seconds=0):
        key = application_key(cluster.keys, Purpose.WEBHOOK, application)
        return sign_webhook(key, body, now_seconds=time.time() - age_seconds)

    event = client.verify_webhook(signed("shop", body), body)
    assert event == PhotoEvent(
        volume=3, photo="01jd3x8m2c9qp4k7", version="3fz8qd", state="uploaded", ref="order-7"
    )
    assert event.reference == "3/01jd3x8m2c9qp4k7/3fz8qd"
    for signature in (None, "", "a.1.x", signed("blog", body), signed("shop", b"{}")):
        with pytest.raises(InvalidWebhook, match="refused"):
            client.verify_webhook(signature, body)
    with pytest.raises(InvalidWebhook, match="refused"):
        client.verify_webhook(signed("shop", body, age_seconds=301), body)
    with pytest.raises(InvalidWebhook, match="not an event"):
        client.verify_webhook(signed("shop", b"[]"), b"[]")


def test_a_client_with_all_keys_checks_webhooks_of_the_cluster(cluster):
    """Webhooks of the table [webhooks] are signed with the cluster's own key."""
    client = blocking.Client(cluster.masters, keys=cluster.keys)
    body = b'{"volume": 3, "photo": "01jd3x8m2c9qp4k7", "version": "", "state": "deleted"}'
    signature = sign_webhook(cluster.keys, body, now_seconds=time.time())
    assert client.verify_webhook(signature, body).reference == "3/01jd3x8m2c9qp4k7"
    with pytest.raises(NoKeys, match="cannot check a webhook"):
        blocking.Client(cluster.masters, token="x").verify_webhook(signature, body)
