"""Upload tickets: a storagemaster reads what an application has signed, and nothing else."""

import base64
import dataclasses
import json
import random

import pytest

from permission_urls import (
    BadMac,
    Expired,
    Forbidden,
    NoPermission,
    Ticket,
    TicketVerifier,
    Unsignable,
    generate_keys,
    generate_ticket_id,
    sign_ticket,
    ticket_key_of,
)

NOW = 1_700_000_000
KEYS = generate_keys(random.Random(1).randbytes)
OTHER_KEYS = generate_keys(random.Random(2).randbytes)
SHOP = ticket_key_of(KEYS, "shop")
TICKET = Ticket(
    application="shop",
    id="0123456789abc",
    expiry=NOW + 3600,
    count=1,
    bytes_max=20_000_000,
    formats=("jpg", "heic"),
    sha256="ab" * 32,
    volume=3,
    strict=True,
    to="https://shop.example/done?order=7",
    ref="order-7",
)
PLAIN = Ticket(application="shop", id="0123456789abc", expiry=NOW + 3600, bytes_max=1000)


def verify(text, *, keys=KEYS, now=NOW):
    """Return the ticket of a text."""
    return TicketVerifier(keys).verify(text, now_seconds=now)


@pytest.mark.parametrize("ticket", [TICKET, PLAIN])
def test_a_signed_ticket_is_read_back(ticket):
    """All of its restrictions are in the text."""
    assert verify(sign_ticket(SHOP, ticket)) == ticket


def test_a_ticket_is_short_enough_for_a_header():
    """Claims with their default values are left out."""
    text = sign_ticket(SHOP, PLAIN)
    payload = text.split(".")[2]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert set(claims) == {"application", "id", "expiry", "count", "bytes_max"}
    assert len(text) < 200


def test_one_application_signs_no_tickets_of_another():
    """Its key is derived for its name."""
    forged = dataclasses.replace(PLAIN, application="bank")
    with pytest.raises(BadMac):
        verify(sign_ticket(SHOP, forged))


def test_other_keys_are_refused():
    """Another cluster's tickets, and the key of another purpose."""
    with pytest.raises(BadMac):
        verify(sign_ticket(SHOP, PLAIN), keys=OTHER_KEYS)


def test_a_ticket_ends():
    """It is valid up to its second."""
    text = sign_ticket(SHOP, PLAIN)
    assert verify(text, now=PLAIN.expiry - 1) == PLAIN
    with pytest.raises(Expired):
        verify(text, now=PLAIN.expiry + 1)


def test_no_ticket_is_valid_for_longer_than_a_week():
    """An application that signs a longer one gets no photo with it."""
    with pytest.raises(NoPermission):
        verify(sign_ticket(SHOP, dataclasses.replace(PLAIN, expiry=NOW + 8 * 86_400)))


@pytest.mark.parametrize(
    "changes",
    [
        {"application": "Shop"},
        {"id": "short"},
        {"expiry": 0},
        {"count": 0},
        {"count": 501},
        {"bytes_max": 0},
        {"formats": ()},
        {"sha256": "AB" * 32},
        {"sha256": "ab" * 32, "count": 2},
        {"volume": 0},
        {"to": "javascript:alert(1)"},
        {"to": "https://shop.example/#x"},
        {"ref": ""},
        {"ref": "x" * 65},
        {"ref": "a\nb"},
    ],
    ids=str,
)
def test_invalid_values_cannot_be_signed(changes):
    """The error names the field."""
    with pytest.raises(Unsignable, match=next(iter(changes))):
        dataclasses.replace(PLAIN, **changes)


def test_every_changed_character_is_noticed():
    """No byte of a ticket can be changed."""
    text = sign_ticket(SHOP, PLAIN)
    for index, character in enumerate(text):
        changed = text[:index] + ("A" if character != "A" else "B") + text[index + 1 :]
        with pytest.raises(Forbidden):
            verify(changed)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        [],
        {"application": 5},
        {**json.loads('{"application":"shop"}'), "unknown": 1},
        {"application": "shop", "id": "0123456789abc", "expiry": "x", "bytes_max": 1},
        {
            "application": "shop",
            "id": "0123456789abc",
            "expiry": NOW + 1,
            "bytes_max": 1,
            "price": 3,
        },
    ],
    ids=str,
)
def test_other_claims_are_refused_although_they_are_signed(claims):
    """An unknown claim can be a restriction."""
    from permission_urls.signed_claims import render_claims
    from permission_urls.signing import KeyedMac

    signed = render_claims("gt1", SHOP.key_id, claims)
    with pytest.raises(Forbidden):
        verify(f"{signed}.{KeyedMac(SHOP.secret)(signed.encode())}")


@pytest.mark.parametrize("text", ["", "gt1", "gt1.a.e30.x", "x" * 5000, "gt1.a." + "W" * 1500])
def test_other_texts_are_refused(text):
    """Also long ones, and deep ones."""
    deep = base64.urlsafe_b64encode(b"[" * 1100).decode().rstrip("=")
    for each in (text, f"gt1.a.{deep}.{'A' * 24}"):
        with pytest.raises(NoPermission):
            verify(each)


def test_ids_are_random():
    """Two tickets have two photos."""
    ids = {generate_ticket_id(random.Random(seed).randbytes) for seed in range(1000)}
    assert len(ids) == 1000
    for each in ids:
        assert dataclasses.replace(PLAIN, id=each).id == each


@pytest.mark.parametrize("application", ["\ud800", "x" * 1000, "", "Shop"])
def test_a_ticket_of_an_impossible_application_is_refused(application):
    """Claims without a signature can have any text, also one that UTF-8 cannot encode."""
    claims = json.dumps({"application": application}).encode()
    payload = base64.urlsafe_b64encode(claims).decode().rstrip("=")
    with pytest.raises(NoPermission):
        verify(f"gt1.{SHOP.key_id}.{payload}.{'A' * 24}")


def test_no_ticket_is_signed_that_is_too_long_to_verify():
    """Its application learns of it, not the visitor."""
    formats = tuple(f"format{number}" for number in range(200))
    with pytest.raises(Unsignable, match="characters"):
        sign_ticket(SHOP, dataclasses.replace(PLAIN, formats=formats))
