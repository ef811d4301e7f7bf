"""A rotation rejects no valid permission during the overlap, and every old one after it."""

import itertools
import os

import pytest

from permission_urls import (
    BadTokenSignature,
    InternalSigner,
    InternalVerifier,
    ReadSigner,
    RetiredKey,
    Scope,
    TokenVerifier,
    Verifier,
    generate_key,
    sign_job,
    sign_token,
    verify_job,
)
from permission_urls.keys import KeyRing

FIELDS = {"volume": "42"}
PATHS = [f"{volume}/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg" for volume in range(1, 50)]


@pytest.fixture(name="stages")
def _stages():
    """Return the rings of a rotation, in rollout order."""
    start = KeyRing(keys=(generate_key("a", os.urandom),))
    announced = start.with_accepted_key(generate_key("b", os.urandom))
    rotated = announced.with_signing_key("b")
    return start, announced, rotated, rotated.with_retired("a")


def test_no_machine_refuses_another_one_stage_apart(stages, size_classes, now):
    """Machines that are one stage apart accept each other's signatures."""
    for before, after in itertools.pairwise(stages[:3]):
        for signing, verifying in ((before, after), (after, before), (after, after)):
            verifier = Verifier(verifying, size_classes)
            signer = ReadSigner(signing)
            for path in PATHS:
                assert verifier.verify(signer.url(path, size_class="web"), now).path == path


def test_old_urls_are_good_through_the_overlap_and_all_dead_after_it(stages, size_classes, now):
    """Old URLs are valid until the key is retired, and invalid after it."""
    start, announced, rotated, retired = stages
    urls = [ReadSigner(start).url(path, size_class="web") for path in PATHS]
    for ring in (start, announced, rotated):
        verifier = Verifier(ring, size_classes)
        assert [verifier.verify(url, now).path for url in urls] == PATHS
    verifier = Verifier(retired, size_classes)
    for url in urls:
        with pytest.raises(RetiredKey):
            verifier.verify(url, now)
    assert verifier.verify(ReadSigner(rotated).url(PATHS[0], size_class="web"), now)


def test_tokens_requests_and_jobs_rotate_alike(stages, token, now):
    """Tokens, requests, and jobs rotate with the same ring."""
    start, _, rotated, retired = stages
    request = {"method": "PUT", "path": "/1", "digest": "-"}
    text = sign_token(start, token)
    header = InternalSigner(start).sign_request(
        receiver="east-1", **request, expiry_seconds=now + 9
    )
    signature = sign_job(start, FIELDS)
    TokenVerifier(rotated).verify(text, scope_needed=Scope.READ, now_seconds=now)
    InternalVerifier(rotated, receiver="east-1").verify_request(header, **request, now_seconds=now)
    verify_job(rotated, signature, FIELDS)
    with pytest.raises(BadTokenSignature, match="retired key"):
        TokenVerifier(retired).verify(text, scope_needed=Scope.READ, now_seconds=now)
    with pytest.raises(RetiredKey):
        InternalVerifier(retired, receiver="east-1").verify_request(
            header, **request, now_seconds=now
        )
    with pytest.raises(RetiredKey):
        verify_job(retired, signature, FIELDS)
