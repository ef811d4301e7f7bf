"""Followed keys: a process uses a changed key file within a second, and never a broken one."""

import random

import pytest

from permission_urls import (
    BadMac,
    FollowedKeys,
    InternalSigner,
    InternalVerifier,
    Key,
    KeyState,
    Purpose,
    ReadSigner,
    RetiredKey,
    UnknownKey,
    UnusableKeyFile,
    Verifier,
    generate_keys,
    save_keys,
    sign_job,
    verify_job,
)

SIZE_CLASSES = {"m": "web"}
STEM = "42/k7/01jd3x8m2c9qp4k7_3fz8qd"
NEW = Key(key_id="b", secret=bytes(range(100, 132)), state=KeyState.ACCEPTED)


class Clock:
    """A clock that only the test advances."""

    seconds = 0.0

    def __call__(self):
        """Return the seconds."""
        return self.seconds


@pytest.fixture(name="clock")
def _clock():
    return Clock()


@pytest.fixture(name="keys")
def _keys():
    return generate_keys(random.Random(1).randbytes)


@pytest.fixture(name="path")
def _path(tmp_path, keys):
    save_keys(tmp_path / "keys.toml", keys)
    return tmp_path / "keys.toml"


@pytest.fixture(name="followed")
def _followed(path, clock):
    return FollowedKeys(path, monotonic_seconds=clock)


def url_of(keys):
    """Return a URL signed with the signing key."""
    return ReadSigner(keys).sign_sizes(STEM, exts={"m": "jpg"}, size_classes=SIZE_CLASSES)["m"]


def rotated(keys, purpose):
    """Return the keys with another signing key for a purpose, and the former one retired."""
    return keys.with_ring(purpose, keys.ring(purpose).with_new_signing_key(NEW).with_retired("a"))


def test_urls_follow_a_rotation_within_a_second(path, keys, followed, clock, now):
    """Signer and verifier stay the same objects, and remembered URLs are forgotten."""
    signer, verifier = ReadSigner(followed), Verifier(followed, SIZE_CLASSES)
    old = url_of(keys)
    verifier.verify(old, now)
    new = rotated(keys, Purpose.READ)
    save_keys(path, new)
    with pytest.raises(UnknownKey):
        verifier.verify(url_of(new), now)
    clock.seconds += 1
    with pytest.raises(RetiredKey):
        verifier.verify(old, now)
    verifier.verify(url_of(new), now)
    assert signer.sign_sizes(STEM, exts={"m": "jpg"}, size_classes=SIZE_CLASSES)["m"] == url_of(new)


def test_requests_and_jobs_follow_a_rotation(path, keys, followed, clock, now):
    """Each purpose alone: keys of jobs do not change when keys of requests do."""
    signer = InternalSigner(followed)
    verifier = InternalVerifier(followed, receiver="east-1")
    request = {"method": "GET", "path": "/status", "digest": "-"}
    save_keys(path, rotated(keys, Purpose.INTERNAL))
    clock.seconds += 1
    header = signer.sign_request(receiver="east-1", **request, expiry_seconds=now + 9)
    assert verifier.verify_request(header, **request, now_seconds=now) == "b"
    assert verify_job(followed, sign_job(followed, {"volume": "1"}), {"volume": "1"}) == "a"
    save_keys(path, rotated(keys, Purpose.JOB))
    clock.seconds += 1
    assert verify_job(followed, sign_job(followed, {"volume": "1"}), {"volume": "1"}) == "b"


def test_sighup_needs_no_second(path, keys, followed):
    """`check_now` is what a process does on SIGHUP."""
    save_keys(path, rotated(keys, Purpose.READ))
    followed.check_now()
    assert followed.ring(Purpose.READ).signing_key.key_id == "b"


@pytest.mark.parametrize("how", ["broken", "readable by others", "missing", "without a purpose"])
def test_a_file_that_became_unusable_changes_nothing(path, keys, followed, clock, caplog, how):
    """The last keys stay in use, the log says why once, and a repaired file is used."""
    if how == "broken":
        path.write_text("nonsense")
    elif how == "readable by others":
        save_keys(path, rotated(keys, Purpose.READ))
        path.chmod(0o644)
    elif how == "missing":
        path.unlink()
    else:
        path.write_text("[read]\n")
    for _ in range(3):
        clock.seconds += 1
        assert followed.ring(Purpose.READ) == keys.ring(Purpose.READ)
    assert caplog.text.count("is not followed") == 1
    save_keys(path, rotated(keys, Purpose.READ))
    clock.seconds += 1
    assert followed.ring(Purpose.READ).signing_key.key_id == "b"


def test_an_unusable_file_is_refused_at_the_start(tmp_path):
    """A process without keys does not start."""
    with pytest.raises(UnusableKeyFile):
        FollowedKeys(tmp_path / "keys.toml")


def test_an_unchanged_file_is_not_read_again(followed, clock, monkeypatch):
    """A check looks at the file's status only, so that it costs nothing."""
    monkeypatch.setattr("pathlib.Path.open", None)
    for _ in range(3):
        clock.seconds += 1
        followed.ring(Purpose.READ)


def test_a_key_file_of_another_cluster_is_not_confused(keys, now):
    """The same key id with another secret is a bad MAC, not an unknown key."""
    other = generate_keys(random.Random(2).randbytes)
    with pytest.raises(BadMac):
        Verifier(keys, SIZE_CLASSES).verify(url_of(other), now)
