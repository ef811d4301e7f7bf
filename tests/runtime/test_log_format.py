"""Log lines have time, role, and request, in both formats, and never a secret."""

import io
import json
import logging
import random
import re

import pytest

from permission_urls import Purpose, generate_keys, sign_job, sign_webhook
from permission_urls.signed_claims import ClaimsKind, sign_claims
from runtime.log_format import JsonFormatter, TextFormatter, redact
from runtime.request_scope import RequestScope, describe_request, request_scope

KEYS = generate_keys(random.Random(1).randbytes)
ID = "0123456789abcdef" * 2


@pytest.fixture(name="logged", params=[TextFormatter, JsonFormatter])
def _logged(request):
    """Return a function that logs one record, and returns its line."""

    def log(message, *arguments, **options):
        out = io.StringIO()
        handler = logging.StreamHandler(out)
        handler.setFormatter(request.param("storagenode", "east-1"))
        logger = logging.getLogger("storagenode.disk")
        logger.handlers.clear()
        logger.addHandler(handler)
        logger.warning(message, *arguments, **options)
        return out.getvalue()

    return log


def secrets():
    """Return every kind of secret, by the name of its kind."""
    kinds = {
        prefix: sign_claims(KEYS, ClaimsKind(prefix=prefix, purpose=purpose), {"app": "shop"})
        for prefix, purpose in (("gp2", Purpose.TOKEN), ("u1", Purpose.PARTIAL_UPLOAD))
    }
    mac = sign_job(KEYS, {"path": "x"}).rpartition(".")[2]
    return {
        **kinds,
        "ticket": f"gt1.a.{kinds['gp2'].split('.')[2]}.{mac}",
        "permission URL": f"/3/k7/01jd3x8m2c9qp4k7_3fz8qd_m.a.0.{mac}.jpg",
        "webhook signature": sign_webhook(KEYS, b"{}", now_seconds=1_700_000_000),
        "MAC after a space": f"bad MAC {mac}",
    }, mac


@pytest.mark.parametrize("kind", secrets()[0])
def test_a_secret_is_in_no_line(logged, kind):
    """Not as an argument, in the message, in a traceback, or behind a newline."""
    kinds, mac = secrets()
    text = kinds[kind]
    hidden = {*re.findall(r"[A-Za-z0-9_-]{24,}", text)} - {"01jd3x8m2c9qp4k7_3fz8qd_m"}
    assert hidden
    assert mac
    lines = [logged("%r failed", text), logged(text), logged("%s", f"GET\n{text}\r\n")]
    lines.append(logged("failed", exc_info=ValueError(text)))
    for line in lines:
        assert not [secret for secret in hidden if secret in line], line


@pytest.mark.parametrize(
    "text",
    [
        "3/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg is corrupt",
        f"request_id={ID}",
        "sha256 " + "0a" * 32,
        "storagemaster.admission.authorization: GET /photos/{volume}/{photo}/{version} 404",
        "http://127.0.0.1:8090/photos did not respond in time",
        "42/01jd3x8m2c9qp4k7/3fz8qd",
    ],
)
def test_names_digests_and_ids_stay(text):
    """The operator needs them."""
    assert redact(text) == text


def test_a_line_has_its_request(logged):
    """Id, caller, and photo of the request that the task serves; outside of one, none of them."""
    with request_scope(RequestScope(ID)):
        describe_request(caller="shop/k3v9q2mf")
        describe_request(reference="42/01jd3x8m2c9qp4k7/3fz8qd")
        line = logged("stored")
    for part in (ID, "shop/k3v9q2mf", "42/01jd3x8m2c9qp4k7/3fz8qd"):
        assert part in line
    assert "request_id" not in logged("stored")


def test_a_line_has_its_time_and_role(logged):
    """The time is UTC with milliseconds, as nginx and people sort it."""
    line = logged("full")
    assert re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line)
    assert "storagenode" in line
    assert "east-1" in line


def test_one_record_is_one_line(logged):
    """A client cannot forge a second one by a newline in what it sends."""
    assert logged("%s", "a\n2026-01-01T00:00:00.000Z ERROR forged").count("\n") == 1


def test_json_is_one_object_with_the_fields_of_the_record():
    """Numbers stay numbers, so that a program can add them."""
    record = logging.LogRecord("access", logging.INFO, "", 1, "GET /x 200", (), None)
    record.fields = {"code": 200, "ms": 1.5}
    document = json.loads(JsonFormatter("storagemaster", "m1").format(record))
    assert (
        document.items()
        >= {
            "level": "info",
            "role": "storagemaster",
            "id": "m1",
            "logger": "access",
            "message": "GET /x 200",
            "code": 200,
            "ms": 1.5,
        }.items()
    )
