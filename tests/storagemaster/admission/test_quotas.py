"""Limits of uploads by token: each attempt counts, and the response says when to try again."""

import dataclasses

import pytest

from glassplate.session.new_tokens import new_token
from permission_urls import Scope, TokenLimits, sign_token
from storagemaster.admission.caller import Caller
from storagemaster.admission.quotas import UploadQuotas
from storagemaster.errors import BadArgument, QuotaExceeded
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import KEYS
from tests.storagemaster.uploads.test_bad_uploads import assert_problem

DAY = 86_400
CALLER = Caller(
    token_id="k3v9q2mf",
    application="shop",
    scopes=frozenset({Scope.UPLOAD}),
    volumes=None,
    expiry=0,
    limits=TokenLimits(uploads_per_minute=2),
)
OTHER = dataclasses.replace(CALLER, token_id="k3v9q2mg")
BYTES = dataclasses.replace(CALLER, limits=TokenLimits(bytes_per_day=100))


def test_uploads_of_a_minute_are_counted_by_token():
    """The third is refused until the next minute, and another token has its own count."""
    clock = [600.0]
    quotas = UploadQuotas(lambda: clock[0])
    quotas.admit(CALLER, 1)
    quotas.admit(CALLER, None)
    clock[0] += 20
    with pytest.raises(QuotaExceeded, match="2 uploads a minute") as caught:
        quotas.admit(CALLER, 1)
    assert caught.value.headers == {"Retry-After": "40"}
    quotas.admit(OTHER, 1)
    clock[0] += 40
    quotas.admit(CALLER, 1)


def test_bytes_of_a_day_are_counted_before_the_body():
    """An upload that would exceed the limit is refused, a shorter one is not."""
    clock = [DAY * 100.0]
    quotas = UploadQuotas(lambda: clock[0])
    quotas.admit(BYTES, 60)
    with pytest.raises(QuotaExceeded, match="100 bytes a day"):
        quotas.admit(BYTES, 41)
    quotas.admit(BYTES, 40)
    clock[0] += DAY
    quotas.admit(BYTES, 100)


def test_an_upload_without_length_cannot_pass_a_limit_of_bytes():
    """A chunked body would be counted only after it was stored."""
    with pytest.raises(BadArgument, match="Content-Length"):
        UploadQuotas(lambda: 0.0).admit(BYTES, None)


def test_a_token_without_limits_is_not_counted():
    """It costs no memory."""
    quotas = UploadQuotas(lambda: 0.0)
    for _ in range(1000):
        quotas.admit(dataclasses.replace(CALLER, limits=TokenLimits()), None)
    assert quotas._counts == {}


@pytest.mark.parametrize("path", ["/photos?volume=1", "/uploads"])
async def test_an_upload_over_the_limit_gets_429(cluster, path):
    """For whole and resumable uploads alike; other requests of the token are not limited."""
    token = new_token(["upload", "status"], limits=TokenLimits(bytes_per_day=10))
    headers = {"Authorization": f"Bearer {sign_token(KEYS, token)}"}
    if path == "/uploads":
        headers |= {"Tus-Resumable": "1.0.0", "Upload-Length": "1000"}
    data = picture() if path != "/uploads" else None
    refused = await cluster.master.request("POST", path, data=data, headers=headers)
    assert_problem(refused, 429, "quota-exceeded")
    assert int(refused.headers["Retry-After"]) > 0
    status = await cluster.master.request("GET", "/status", headers=headers)
    assert status.status == 200
