"""Key file: permissions, atomic replacement, and complete problem reports."""

import os
import random
import stat
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from permission_urls import (
    InvalidKeys,
    Key,
    KeyRing,
    Keys,
    KeyState,
    Purpose,
    UnusableKeyFile,
    generate_keys,
    load_keys,
    parse_keys,
    render_keys,
    save_keys,
)

SECRETS = st.binary(min_size=32, max_size=32).filter(lambda secret: len(set(secret)) >= 8)
IDS = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=4)


@st.composite
def rings(draw):
    """Return any key ring."""
    ids = draw(st.lists(IDS, min_size=1, max_size=6, unique=True))
    secrets = draw(st.lists(SECRETS, min_size=len(ids), max_size=len(ids), unique=True))
    signing = draw(st.sampled_from(ids))
    others = st.sampled_from([KeyState.ACCEPTED, KeyState.RETIRED])
    return KeyRing(
        keys=tuple(
            Key(
                key_id=key_id,
                secret=secret,
                state=KeyState.SIGNING if key_id == signing else draw(others),
                made=draw(st.none() | st.dates()),
            )
            for key_id, secret in zip(ids, secrets, strict=True)
        )
    )


@st.composite
def all_keys(draw):
    """Return the keys of some purposes, without a common secret."""
    rings_of = draw(st.dictionaries(st.sampled_from(list(Purpose)), rings(), min_size=1))
    secrets = [key.secret for ring in rings_of.values() for key in ring.keys]
    assume(len(set(secrets)) == len(secrets))
    return Keys(rings_of)


@pytest.fixture(name="keys")
def _keys(ring):
    return generate_keys(random.Random(1).randbytes).with_ring(Purpose.READ, ring)


@settings(max_examples=50)
@given(keys=all_keys())
def test_rendering_and_parsing_are_inverse(keys):
    """The loaded keys are equal to the saved ones, including order and states."""
    assert parse_keys(render_keys(keys)) == keys


def test_all_problems_of_a_file_are_reported_together():
    """One error lists all problems of the file."""
    text = f"""
        color = "red"
        [read.TOOLONG]
        state = "signing"
        secret = "{bytes(range(32)).hex()}"
        [read.a]
        state = "signed"
        secret = "abc"
        [read.b]
        state = "signing"
        secret = "{bytes(32).hex()}"
        size = 3
        [token.c]
        secret = 7
        [token.d]
        state = "accepted"
        secret = "abcd"
    """
    with pytest.raises(InvalidKeys) as caught:
        parse_keys(text)
    assert caught.value.problems == (
        f"unknown purpose 'color'; known purposes: {', '.join(Purpose)}",
        "read: key 'TOOLONG': the id must be one to four of a-z and 0-9",
        "read: key 'a': the state must be signing, accepted, or retired",
        "read: key 'a': the secret must be lower-case hex",
        "read: key 'b': unknown field 'size'; known fields: made, secret, state",
        "read: key 'b': the secret is weak: it repeats a few bytes",
        "token: key 'c': the state must be signing, accepted, or retired",
        "token: key 'c': the secret must be lower-case hex",
        "token: key 'd': the secret has 2 bytes, not 32",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no keys"),
        ("[read]", "read: exactly one key must be signing, and 0 are"),
        ("read = 3", "read: must be a table of keys"),
        ("[read]\na = 3", "key 'a' must be a table with a state and a secret"),
        ("[read", "not TOML"),
        ("[read.a]\n[read.a]", "not TOML"),
        ("[read.a]\nmade = 2026-01-30T12:00:00", "`made` must be a date, such as 2026-01-30"),
        ('[read.a]\nmade = "2026-01-30"', "`made` must be a date, such as 2026-01-30"),
    ],
)
def test_text_that_is_not_a_key_file_is_rejected(text, problem):
    """Each kind of invalid text has its own message."""
    with pytest.raises(InvalidKeys, match=problem):
        parse_keys(text)


def test_no_problem_quotes_a_secret():
    """A message never contains a secret."""
    secret = bytes(range(32)).hex()
    entry = f'\nstate = "signing"\nsecret = "{secret}"\n'
    with pytest.raises(InvalidKeys) as caught:
        parse_keys(f"[read.a]{entry}[read.b]{entry}")
    assert "same secret" in str(caught.value)
    assert secret not in str(caught.value)


def test_two_purposes_never_share_a_secret():
    """One leaked file for an application would reveal the keys of another purpose."""
    entry = f'\nstate = "signing"\nsecret = "{bytes(range(32)).hex()}"\n'
    with pytest.raises(InvalidKeys, match=r"keys read.a and token.b have the same secret"):
        parse_keys(f"[read.a]{entry}[token.b]{entry}")


def test_a_file_without_a_purpose_permits_nothing_of_it(keys):
    """The error names the purpose, and what to do."""
    some = keys.only([Purpose.READ, Purpose.WEBHOOK])
    assert parse_keys(render_keys(some)).ring(Purpose.READ) == keys.ring(Purpose.READ)
    with pytest.raises(InvalidKeys, match="no key of purpose token: use a key file that has one"):
        some.ring(Purpose.TOKEN)


def test_a_saved_file_is_the_owners_alone_and_loads(tmp_path, keys):
    """The file has mode 0600 with any umask, and no other file is left."""
    path = tmp_path / "keys.toml"
    save_keys(path, keys)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_keys(path) == keys
    assert list(tmp_path.iterdir()) == [path]


def test_saving_replaces_the_file_and_its_mode(tmp_path, keys):
    """The mode of the old file is not inherited."""
    path = tmp_path / "keys.toml"
    path.write_text("old")
    path.chmod(0o644)
    save_keys(path, keys)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_keys(path) == keys


def test_a_save_that_fails_leaves_the_old_file_and_no_other(tmp_path, keys, ring, monkeypatch):
    """The old keys survive a full or broken disk."""
    path = tmp_path / "keys.toml"
    save_keys(path, keys)
    monkeypatch.setattr(os, "fsync", fsync_that_fails)
    with pytest.raises(OSError, match="no space"):
        save_keys(path, keys.with_ring(Purpose.READ, ring.with_retired("b2")))
    assert load_keys(path) == keys
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_synced_before_its_name_and_the_name_after(tmp_path, keys, monkeypatch):
    """The order is data, rename, directory; otherwise a crash can leave an empty file."""
    steps = []
    real_fsync, real_replace = os.fsync, Path.replace

    def recording_fsync(descriptor: int) -> None:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        steps.append("fsync directory" if is_directory else "fsync file")
        real_fsync(descriptor)

    def recording_replace(self: Path, target: Path) -> Path:
        steps.append("rename")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(Path, "replace", recording_replace)
    save_keys(tmp_path / "keys.toml", keys)
    assert steps == ["fsync file", "rename", "fsync directory"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666])
def test_a_file_that_others_have_access_to_is_refused(tmp_path, keys, mode):
    """The message has the mode, the required mode, and the command."""
    path = tmp_path / "keys.toml"
    save_keys(path, keys)
    path.chmod(mode)
    with pytest.raises(UnusableKeyFile, match=rf"mode is {mode:04o}, must be 0600; chmod 600 "):
        load_keys(path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    """A missing file, a directory, or binary data raises UnusableKeyFile with the path."""
    with pytest.raises(UnusableKeyFile, match="No such file"):
        load_keys(tmp_path / "absent.toml")
    with pytest.raises(UnusableKeyFile, match="directory"):
        load_keys(tmp_path)
    path = tmp_path / "keys.toml"
    path.touch(mode=0o600)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UnusableKeyFile, match="UTF-8"):
        load_keys(path)


def fsync_that_fails(descriptor: int) -> None:
    """Fail as on a full disk."""
    raise OSError(f"no space for descriptor {descriptor}")
