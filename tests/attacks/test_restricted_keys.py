"""A restricted key opens nothing beyond its restriction at nodes, nginx, and Varnish."""

import time

import pytest

from permission_urls import DerivedKey, ReadSigner, restricted_key, restriction_of
from permission_urls.restrictions import SLACK_SECONDS
from tests.attacks.tls_targets import ALL_TARGETS
from tests.proxy_config.edge_requests import READ_KEYS, in_seconds

WEB_HOUR = restriction_of(["web"], 1)
NEAR, FAR = 1800, 3600 + SLACK_SECONDS + 120


def key_of(restriction, key_id="a"):
    """Return the key that an application gets."""
    return restricted_key(DerivedKey(key_id, bytes.fromhex(READ_KEYS[key_id])), restriction)


def signed(photo, key, *, size_class="web", seconds=NEAR):
    """Sign a URL of the photo with any key; it never ends if `seconds` is None."""
    expiry = 0 if seconds is None else in_seconds(seconds)
    return ReadSigner(key).url(photo.path, size_class=size_class, expiry_seconds=expiry)


def renamed(photo, name, **options):
    """Sign with the restricted key, under another key id."""
    key = DerivedKey(name, key_of(WEB_HOUR).secret)
    return signed(photo, key, **options)


def by(restriction, **options):
    """Return an attack with the key of a restriction."""
    return lambda photo: signed(photo, key_of(restriction), **options)


def as_class(size_class):
    """Return an attack that signs a class beyond the restriction."""
    return by(WEB_HOUR, size_class=size_class)


def under(name, **options):
    """Return an attack that signs under another key id."""
    return lambda photo: renamed(photo, name, **options)


ATTACKS = {
    "signs as large": as_class("large"),
    "signs as the original": as_class("original"),
    "changes to a large size": lambda photo: signed(photo, key_of(WEB_HOUR)).replace("_m.", "_k."),
    "changes to the original": lambda photo: signed(photo, key_of(WEB_HOUR)).replace("_m.", "_o."),
    "signs a web size for another class": by(restriction_of(["large"], 1)),
    "signs a web size for the original": by(restriction_of(["original", "large"], None)),
    "ends later": by(WEB_HOUR, seconds=FAR),
    "ends in years": by(WEB_HOUR, seconds=10**8),
    "never ends": by(WEB_HOUR, seconds=None),
    "never ends, of any class": by(restriction_of([], 9999), seconds=None),
    "removes the restriction": under("a"),
    "removes the lifetime": under("a-w", seconds=None),
    "removes the class": under("a-1"),
    "adds a class": under("a-wl1"),
    "takes another class": under("a-o1", size_class="original"),
    "prolongs the lifetime": under("a-w9999", seconds=FAR),
    "names another key": under("b2-w1"),
    "names an unknown key": under("zz-w1"),
    "names a retired key": under("old-w1"),
    "spells the classes twice": under("a-ww1"),
    "spells the classes in another order": under("a-lw1"),
    "spells all classes": under("a-wlo1"),
    "spells the lifetime with a zero": under("a-w01"),
    "spells no lifetime": under("a-w0"),
    "spells nothing": under("a-"),
    "spells a capital": under("a-W1"),
    "derives a key from its own": lambda photo: signed(
        photo, restricted_key(DerivedKey("a", key_of(WEB_HOUR).secret), WEB_HOUR)
    ),
    "takes its key for the whole one": lambda photo: signed(
        photo, DerivedKey("a", key_of(WEB_HOUR).secret), seconds=None
    ),
}


@pytest.mark.parametrize("target", ALL_TARGETS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_url_beyond_a_restriction_is_refused(targets, attack, target):
    """Also when the photo is cached, and its URL within the restriction opens it."""
    photo = targets.new_photo()
    good = signed(photo, key_of(WEB_HOUR))
    for _ in ("cold", "cached"):
        response = targets.send(target, ATTACKS[attack](photo))
        assert response.status == 403
        assert photo.data[:40] not in response.body
        assert targets.send(target, good).body == photo.data


@pytest.mark.parametrize("target", ALL_TARGETS)
@pytest.mark.parametrize("key_id", ["a", "b2"])
@pytest.mark.parametrize(
    ("classes", "hours", "seconds"),
    [(["web"], None, None), (["web", "original"], 168, 86_400), ([], 1, 3600), ([], 9999, 60)],
)
def test_a_url_within_a_restriction_opens_the_photo(
    targets, target, key_id, classes, hours, seconds
):
    """With every key of the cluster; caches may keep it until its end."""
    photo = targets.new_photo()
    url = signed(photo, key_of(restriction_of(classes, hours), key_id), seconds=seconds)
    for _ in ("cold", "cached"):
        response = targets.send(target, url)
        assert response.body == photo.data
        age = response.headers["cache-control"].rpartition("max-age=")[2]
        assert int(age.partition(",")[0]) <= (seconds or 31_536_000)


@pytest.mark.parametrize("target", ALL_TARGETS)
def test_a_url_of_a_restricted_key_ends(targets, target):
    """From its second on, also for a cached photo."""
    photo = targets.new_photo()
    url = signed(photo, key_of(WEB_HOUR), seconds=2)
    assert targets.send(target, url).status == 200
    time.sleep(2.1)
    assert targets.send(target, url).status == 403
