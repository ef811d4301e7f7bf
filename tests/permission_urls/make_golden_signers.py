"""Generator of signers/vectors.json: URLs, tickets, and webhooks that every signer agrees on.

python tests/permission_urls/make_golden_signers.py

It imports no project code except the reference verifier beside it.
"""

import base64
import hashlib
import hmac
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reference_verifier import EXTS, make_mac

NOW = 1_700_000_000
REFERENCE = "42/01jd3x8m2c9qp4k7/3fz8qd"
SECRETS = {
    "read": {"a": bytes(range(32))},
    "ticket": {"b2": bytes(range(1, 33))},
    "webhook": {"a": bytes(range(2, 34)), "b2": bytes(range(3, 35))},
}


def derived(purpose: str, key_id: str, *, application: str | None = None) -> bytes:
    """Return the key of a purpose, or of an application, that derives from a secret."""
    key = hmac.digest(SECRETS[purpose][key_id], purpose.encode(), "sha256")
    return key if application is None else hmac.digest(key, application.encode(), "sha256")


READ = derived("read", "a")
TICKET = derived("ticket", "b2", application="shop")
WEBHOOK = {key_id: derived("webhook", key_id, application="shop") for key_id in ("a", "b2")}
EDGES = {"s": 75, "q": 150, "t": 100, "m": 240, "n": 320, "w": 400, "d": 500, "z": 640, "c": 800}
EDGES |= {"b": 1024, "h": 1600, "k": 2048, "x": 6000}
APPLICATION = {
    "application": "shop",
    "masters": ["http://10.1.0.10:8090"],
    "uploads": ["https://upload.example"],
    "edges": ["https://photos.example", "https://other.example"],
    "token": "gp2.a.e30.AAAAAAAAAAAAAAAAAAAAAAAA",
    "read_key": {"id": "a", "secret": READ.hex()},
    "ticket_key": {"id": "b2", "secret": TICKET.hex()},
    "webhook_keys": {key_id: key.hex() for key_id, key in WEBHOOK.items()},
    "sizes": [
        {
            "letter": letter,
            "edge_pixels": edge,
            "square": letter in "sq",
            "class": "web" if edge <= 1024 else "large",
        }
        for letter, edge in EDGES.items()
    ],
}
ID = "k3v9q2mf7w0xc"
EVENT = {"volume": 42, "photo": "01jd3x8m2c9qp4k7", "version": "3fz8qd", "state": "ready"}
BODY = json.dumps({**EVENT, "reason": "caf\u00e9", "ref": "order-7"}, ensure_ascii=False)

ABOUT = [
    "A signer gets the application, and for each case the arguments and the time. The result is",
    "`url`, `ticket`, or `event`, or an error if it is null. Expiries are in seconds from now.",
    "The keys of the application derive from `cluster_secrets`, which a signer does not get.",
]


def main() -> int:
    """Write the file."""
    path = Path(__file__).resolve().parents[2] / "signers" / "vectors.json"
    path.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"{path.name}: {sum(1 for _ in all_cases())} vectors\n")
    return 0


def render() -> str:
    """Render the file with one vector per line, so that a change is a line in a diff."""
    secrets = {p: {id_: key.hex() for id_, key in ring.items()} for p, ring in SECRETS.items()}
    head = {"about": ABOUT, "cluster_secrets": secrets, "application": APPLICATION}
    parts = {"urls": urls(), "tickets": tickets(), "webhooks": webhooks()}
    lists = [
        f'  "{name}": [\n'
        + ",\n".join(f"    {json.dumps(case, ensure_ascii=False)}" for case in cases)
        + "\n  ]"
        for name, cases in parts.items()
    ]
    return json.dumps(head, indent=2)[:-2] + ",\n" + ",\n".join(lists) + "\n}\n"


def all_cases() -> Iterator[dict[str, Any]]:
    """Yield every case."""
    yield from urls()
    yield from tickets()
    yield from webhooks()


def urls() -> Iterator[dict[str, Any]]:
    """Yield URLs of every size, format, and kind of expiry, and arguments that have no URL."""
    for size in EDGES:
        yield url_case(size=size)
    for ext in EXTS:
        yield url_case(size="o", ext=ext.decode())
        yield url_case(ext=ext.decode())
    for expires in (1, 59, 99, 100, 101, 300, 3600, 86_400, 31_536_000, 1.9):
        yield url_case(expires=expires)
    for now in (NOW + 99.5, NOW + 100, NOW + 100.5):
        yield url_case(expires=3600, now=now)
    for reference in ("1/0000000000000000/000000", "65535/zzzzzzzzzzzzzzzz/zzzzzz"):
        yield url_case(reference=reference, expires=60)
    for reference in (
        "", "42/01jd3x8m2c9qp4k7", f"/{REFERENCE}", f"{REFERENCE}/", f"{REFERENCE}\n",
        "0/01jd3x8m2c9qp4k7/3fz8qd", "65536/01jd3x8m2c9qp4k7/3fz8qd",
        "042/01jd3x8m2c9qp4k7/3fz8qd", "42/01JD3X8M2C9QP4K7/3fz8qd", "42/01jd3x8m2c9qp4k/3fz8qd",
        "42/01jd3x8m2c9qp4k7/3fz8q", "42/01jd3x8m2c9qp4ki/3fz8qd", "../01jd3x8m2c9qp4k7/3fz8qd",
    ):  # fmt: skip
        yield {"reference": reference, "size": "m", "now": NOW, "url": None}
    for wrong in (
        {"size": ""}, {"size": "y"}, {"size": "mm"}, {"size": "o"}, {"size": "m", "ext": "svg"},
        {"size": "m", "ext": ""}, {"size": "m", "expires": 0}, {"size": "m", "expires": -1},
    ):  # fmt: skip
        yield {"reference": REFERENCE, **wrong, "now": NOW, "url": None}


def url_case(
    *, reference: str = REFERENCE, size: str = "m", now: float = NOW, **options: Any
) -> dict[str, Any]:
    """Return a case with its URL."""
    volume, photo, version = reference.split("/")
    stem = f"{volume}/{photo[-2:]}/{photo}_{version}"
    size_class = "original" if size == "o" else "web" if EDGES[size] <= 1024 else "large"
    end = math.ceil((now + int(options["expires"])) / 300) * 300 if "expires" in options else 0
    mac = make_mac(READ, expiry=f"{end:x}", stem=stem, size_class=size_class)
    ext = options.get("ext", "jpg")
    url = f"https://photos.example/{stem}_{size}.a.{end:x}.{mac}.{ext}"
    return {"reference": reference, "size": size, **options, "now": now, "url": url}


def tickets() -> Iterator[dict[str, Any]]:
    """Yield tickets with every claim, and options that no ticket can have."""
    yield ticket_case({"bytes_max": 20_000_000})
    yield ticket_case({"bytes_max": 1, "expires": 1})
    yield ticket_case({"bytes_max": 1, "expires": 7 * 24 * 3600})
    yield ticket_case({"count": 500, "bytes_max": 1, "formats": ["jpg", "heic"]})
    yield ticket_case({"bytes_max": 1, "sha256": "ab" * 32, "volume": 3, "strict": True})
    yield ticket_case({"bytes_max": 1, "to": "https://shop.example/done?order=7", "ref": "order 7"})
    yield ticket_case({"bytes_max": 1, "ref": "caf\u00e9 \u732b"})
    yield ticket_case({"bytes_max": 1}, now=NOW + 0.5)
    good = {"bytes_max": 1}
    for wrong in (
        {}, {"bytes_max": 0}, {"bytes_max": 1.5}, {"bytes_max": "1"}, {**good, "count": 0},
        {**good, "count": 501}, {**good, "expires": 0}, {**good, "expires": 7 * 24 * 3600 + 1},
        {**good, "formats": []}, {**good, "formats": ["svg"]}, {**good, "sha256": "AB" * 32},
        {**good, "sha256": "ab" * 32, "count": 2}, {**good, "volume": 0},
        {**good, "volume": 65536}, {**good, "strict": "yes"}, {**good, "to": "ftp://x"},
        {**good, "to": "https://x/#part"}, {**good, "to": "https://caf\u00e9.example/"},
        {**good, "ref": ""}, {**good, "ref": "x" * 65}, {**good, "ref": "a\nb"},
        {**good, "scope": "read"},
    ):  # fmt: skip
        yield {"options": {**wrong, "id": ID}, "now": NOW, "ticket": None}


def ticket_case(options: dict[str, Any], *, now: float = NOW) -> dict[str, Any]:
    """Return a case with its ticket."""
    claims = {"application": "shop", "id": ID, "expiry": int(now + options.get("expires", 3600))}
    claims |= {"count": 1} | {name: each for name, each in options.items() if name != "expires"}
    document = json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode()
    signed = f"gt1.b2.{base64.urlsafe_b64encode(document).decode().rstrip('=')}"
    text = f"{signed}.{mac_of(TICKET, signed)}"
    return {"options": {**options, "id": ID}, "now": now, "ticket": text, "claims": claims}


def webhooks() -> Iterator[dict[str, Any]]:
    """Yield webhooks of both keys and all ages, and requests that are none."""
    event = json.loads(BODY)
    for key_id in WEBHOOK:
        yield webhook_case(signature_of(BODY, key_id), event=event)
    for age in (1, 299, 300, -300):
        yield webhook_case(signature_of(BODY, now=NOW - age), event=event)
    for age in (301, -301, 10**6):
        yield webhook_case(signature_of(BODY, now=NOW - age))
    good = signature_of(BODY)
    key_id, seconds, mac = good.split(".")
    for signature in (
        "", None, "a", mac, f"c.{seconds}.{mac}", f"b2.{seconds}.{mac}", f"a.{NOW + 1}.{mac}",
        f"a.{seconds}.{mac[:-1]}", f"a.{seconds}.{mac}A", f"a.{seconds}.{'A' * 24}",
        f"{good}\n", f" {good}", f"{key_id}.-1.{mac}", f"__proto__.{seconds}.{mac}",
        f"a.{seconds}.{mac_of(READ, seconds)}", f"a..{mac}",
    ):  # fmt: skip
        yield webhook_case(signature)
    for body in ("", BODY + " ", BODY.replace("ready", "gone!")):
        yield webhook_case(good, body=body)


def webhook_case(
    signature: str | None, *, body: str = BODY, event: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return a case with its event, or without one."""
    return {"signature": signature, "body": body, "now": NOW, "event": event}


def signature_of(body: str, key_id: str = "a", *, now: int = NOW) -> str:
    """Return the header of a webhook."""
    digest = hashlib.sha256(body.encode()).hexdigest()
    message = f"{now}\n{digest}"
    return f"{key_id}.{now}.{mac_of(WEBHOOK[key_id], message)}"


def mac_of(key: bytes, message: str) -> str:
    """Return the MAC of a message."""
    digest = hmac.digest(key, message.encode(), "sha256")[:18]
    return base64.urlsafe_b64encode(digest).decode()


if __name__ == "__main__":
    sys.exit(main())
