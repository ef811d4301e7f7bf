"""No port for viewers sends a photo without its permission, whatever else a client can sign."""

import time

import pytest

from permission_urls import InternalSigner, Purpose, ReadSigner
from storagenode.protocol.routes import EMPTY_DIGEST, ROUTES, Signed
from storagenode.protocol.wire import SIGNATURE_HEADER
from tests.attacks.test_signed_requests import FIELDS, _AnyField
from tests.attacks.tls_targets import ALL_TARGETS
from tests.proxy_config.edge_requests import in_seconds, sign

REFUSED = {400, 403, 404, 405, 501}
OTHERS = [purpose for purpose in Purpose if purpose is not Purpose.READ]
OTHER_MAC = "A" * 24


def parts(url):
    """Return the parts of a permission URL: stem with size, key, expiry, MAC, and ext."""
    return url.split(".")


def with_parts(url, **changed):
    """Return a permission URL with other parts."""
    names = ("stem", "key", "expiry", "mac", "ext")
    found = dict(zip(names, parts(url), strict=True)) | changed
    return ".".join(found[name] for name in names)


def by_purpose(purpose):
    """Return an attack that signs with the keys of another purpose."""

    def attack(targets, photo):
        signer = ReadSigner(targets.keys.ring(purpose))
        return signer.url(photo.path, size_class="web")

    return attack


def as_original(photo, url):
    """Return a URL of the original with the permission of a size."""
    return with_parts(url, stem=f"/{photo.path.rpartition('.')[0][:-1]}o")


URLS = {
    "without a permission": lambda _, photo: f"/{photo.path}",
    "with an empty MAC": lambda _, photo: with_parts(photo.url(), mac=""),
    "with another MAC": lambda _, photo: with_parts(photo.url(), mac=OTHER_MAC),
    "with a shorter MAC": lambda _, photo: with_parts(photo.url(), mac=parts(photo.url())[3][:-1]),
    "with a longer MAC": lambda _, photo: with_parts(photo.url(), mac=parts(photo.url())[3] + "A"),
    "with the MAC of another photo": lambda targets, photo: with_parts(
        photo.url(), mac=parts(targets.new_photo().url())[3]
    ),
    "with the permission of a size": lambda _, photo: as_original(photo, photo.url()),
    "with a permission of another class": lambda _, photo: sign(photo.path, size_class="original"),
    "with another version": lambda _, photo: photo.url().replace("_00", "_0z"),
    "of another volume": lambda _, photo: photo.url().replace("/42/", "/43/", 1),
    "after its end": lambda _, photo: sign(photo.path, expiry=in_seconds(-1)),
    "with a later end": lambda _, photo: with_parts(
        sign(photo.path, expiry=in_seconds(-1)), expiry=f"{in_seconds(600):x}"
    ),
    "with its end left out": lambda _, photo: with_parts(
        sign(photo.path, expiry=in_seconds(-1)), expiry="0"
    ),
    "by an unknown key": lambda _, photo: with_parts(photo.url(), key="zz"),
    "by a secret of no cluster": lambda _, photo: sign(photo.path, read_key="00" * 32),
    "in capitals": lambda _, photo: photo.url().upper(),
    "with an encoded letter": lambda _, photo: photo.url().replace("m.", "%6d.", 1),
    "with a query": lambda _, photo: f"{with_parts(photo.url(), mac=OTHER_MAC)}?{photo.url()}",
    "behind another path": lambda _, photo: f"/healthz/..{photo.url()}",
    "with a second slash": lambda _, photo: f"/{photo.url()}",
    "in absolute form": lambda _, photo: (
        f"http://photos.test{with_parts(photo.url(), mac=OTHER_MAC)}"
    ),
    "in absolute form, behind a query": lambda _, photo: f"http://a?x=/{photo.path}",
    "in absolute form without a host": lambda _, photo: f"http:///{photo.path}",
    "by another scheme": lambda _, photo: (
        f"ftp://photos.test{with_parts(photo.url(), mac=OTHER_MAC)}"
    ),
    "in the trash": lambda _, photo: f"/.trash/2026-01-30{photo.url()}",
    "among the hints": lambda _, photo: f"/.hints/west-1{photo.url()}",
    "of a marker": lambda *_: "/42/.volume",
    "of the node's marker": lambda *_: "/.node",
    "of the key file": lambda *_: "/../keys.toml",
    "of an info": lambda _, photo: f"/{photo.path.rpartition('_')[0]}.json",
    **{f"by a key for {purpose}": by_purpose(purpose) for purpose in OTHERS},
}
METHODS = ("POST", "PUT", "DELETE", "PATCH", "PURGE", "BAN", "MOVE", "PROPFIND")
INTERNAL = [each for each in ROUTES if each.signed is not Signed.TRAILER]


@pytest.mark.parametrize("target", ALL_TARGETS)
@pytest.mark.parametrize("attack", URLS)
def test_no_photo_is_sent_to_a_forged_url(targets, attack, target):
    """The response has no byte of the photo, also if its valid URL was requested before."""
    photo = targets.new_photo()
    forged = URLS[attack](targets, photo)
    for _ in ("cold", "cached"):
        response = targets.send(target, forged)
        assert response.status in REFUSED
        assert photo.data[:40] not in response.body
        assert targets.send(target, photo.url()).body == photo.data


@pytest.mark.parametrize("target", ALL_TARGETS)
@pytest.mark.parametrize("method", METHODS)
def test_no_method_of_a_viewer_changes_a_photo(targets, method, target):
    """A valid URL permits GET, HEAD, and OPTIONS."""
    photo = targets.new_photo()
    assert targets.send(target, photo.url(), method=method).status in REFUSED
    assert targets.send(target, photo.url()).body == photo.data


@pytest.mark.parametrize("target", ALL_TARGETS)
@pytest.mark.parametrize("route", INTERNAL, ids=lambda r: f"{r.method} {r.template}")
def test_the_routes_of_machines_are_at_no_port_for_viewers(targets, route, target):
    """A request that the write port would serve is refused."""
    path = route.template.format_map(_AnyField(FIELDS))
    signature = InternalSigner(targets.keys).sign_request(
        receiver="east-1",
        method=route.method,
        path=path,
        digest=EMPTY_DIGEST,
        expiry_seconds=int(time.time()) + 60,
    )
    response = targets.send(
        target,
        path,
        method=route.method,
        headers={SIGNATURE_HEADER: signature, "Content-Length": "0"},
    )
    assert response.status in REFUSED


def test_enough_requests_are_tried():
    """At each kind of port."""
    assert (len(URLS) + len(METHODS) + len(INTERNAL)) * len(ALL_TARGETS) >= 300
