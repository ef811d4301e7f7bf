"""`glassplate keys`: creation, listing without secrets, and rotation without rejected URLs."""

import json
import stat

import pytest
from click.testing import CliRunner

from glassplate.cli.main import main
from glassplate.local.plan import LocalPorts, render_local_cluster
from permission_urls import (
    BadMac,
    BeyondRestriction,
    InvalidKeys,
    KeyState,
    Purpose,
    ReadSigner,
    RetiredKey,
    TombstoneProofs,
    Verifier,
    derived_key,
    load_keys,
    save_keys,
    sign_map,
    verify_map,
)

STEM = "42/k7/01jd3x8m2c9qp4k7_3fz8qd"
SIZE_CLASSES = {"m": "web", "o": "original"}
NOW_SECONDS = 1_700_000_000


@pytest.fixture(name="key_file")
def _key_file(tmp_path):
    """Return the path of the missing key file of a new cluster."""
    (tmp_path / "cluster.toml").write_text(render_local_cluster(LocalPorts(20_000)))
    return tmp_path / "keys.toml"


@pytest.fixture(name="keys")
def _keys(key_file):
    """Return a function that runs `glassplate keys` for the cluster."""

    def run(*arguments, **options):
        if arguments[0] in {"add", "promote", "retire"}:
            arguments = (arguments[0], "--purpose", "read", *arguments[1:])
        if arguments[0] == "add" and "--verify-only" not in arguments:
            arguments = (*arguments, "--wait", "1s")
        cluster = str(key_file.with_name("cluster.toml"))
        return CliRunner().invoke(main, ["--cluster", cluster, "keys", *arguments], **options)

    return run


def verify(ring, url):
    """Return if a verifier with these keys accepts the URL; raise otherwise."""
    Verifier(ring, SIZE_CLASSES).verify(url, now_seconds=NOW_SECONDS)


def signed(key_file):
    """Sign a URL with the keys of a file."""
    urls = ReadSigner(load_keys(key_file)).sign_sizes(
        STEM, exts={"m": "jpg"}, size_classes=SIZE_CLASSES
    )
    return urls["m"]


def test_init_makes_a_key_file_that_only_its_owner_reads(keys, key_file):
    """The key signs, and its read key has no zero byte."""
    done = keys("init")
    assert done.exit_code == 0
    assert "one key for each purpose" in done.stdout
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert set(load_keys(key_file).rings) == set(Purpose)
    ring = load_keys(key_file).ring(Purpose.READ)
    assert [(key.key_id, key.state) for key in ring.keys] == [("a", KeyState.SIGNING)]
    assert 0 not in derived_key(ring, "a", Purpose.READ)


def test_init_keeps_existing_keys(keys, key_file):
    """An existing key file is not changed."""
    keys("init")
    before = key_file.read_bytes()
    again = keys("init")
    assert again.exit_code == 0
    assert "already exists" in again.stdout
    assert key_file.read_bytes() == before


def test_init_rejects_a_key_file_that_others_can_read(keys, key_file):
    """The exit status is 2, and the message has the required mode."""
    keys("init")
    key_file.chmod(0o644)
    refused = keys("init")
    assert refused.exit_code == 2
    assert "0600" in refused.stderr


def test_a_rotation_in_steps_rejects_no_url(keys, key_file):
    """During a rollout, machines with the old and the new file accept all URLs."""
    keys("init")
    before = signed(key_file)

    accepted = keys("add", "--verify-only")
    assert accepted.exit_code == 0
    assert "glassplate keys promote --purpose read b" in accepted.stdout
    behind = load_keys(key_file)
    assert signed(key_file) == before

    assert keys("promote", "b").exit_code == 0
    after = signed(key_file)
    assert after.split(".")[1] == "b"
    for ring in (behind, load_keys(key_file)):
        verify(ring, before)
        verify(ring, after)


def test_urls_of_a_retired_key_are_rejected(keys, key_file):
    """The id of a retired key cannot be reused."""
    keys("init")
    old = signed(key_file)
    keys("add")
    assert keys("retire", "a", "--yes").exit_code == 0
    with pytest.raises(RetiredKey):
        verify(load_keys(key_file), old)
    verify(load_keys(key_file), signed(key_file))
    assert keys("add", "a").exit_code == 2
    assert keys("promote", "a").exit_code == 2


def test_retire_prompts_for_confirmation(keys, key_file):
    """Without a yes, nothing changes."""
    keys("init")
    keys("add")
    before = key_file.read_bytes()
    assert keys("retire", "a", input="n\n").exit_code == 1
    assert key_file.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["retire", "a", "--yes"], "promote another key first"),
        (["retire", "x", "--yes"], "unknown key 'x'"),
        (["promote", "x"], "unknown key 'x'"),
        (["add", "A key"], "one to four of a-z and 0-9"),
        (["add", "a"], "never reused"),
    ],
    ids=" ".join,
)
def test_invalid_changes_leave_the_keys_unchanged(arguments, why, keys, key_file):
    """The exit status is 2, and the message has one line."""
    keys("init")
    before = key_file.read_bytes()
    refused = keys(*arguments)
    assert refused.exit_code == 2
    assert why in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert key_file.read_bytes() == before


def test_list_shows_states_and_no_secret(keys, key_file):
    """The list is sorted from the oldest key, as text and as JSON."""
    keys("init")
    keys("add", "2027")
    keys("retire", "a", "--yes")
    shown = keys("list", "--purpose", "read")
    rows = [line.split()[:4] for line in shown.stdout.splitlines()]
    day = load_keys(key_file).ring(Purpose.READ).signing_key.made.isoformat()
    assert rows == [["read", "a", "retired", day], ["read", "2027", "signing", day]]
    document = keys("list", "--json")
    assert json.loads(document.stdout) == [
        {"purpose": "read", "key": "a", "state": "retired", "made": day},
        {"purpose": "read", "key": "2027", "state": "signing", "made": day},
        *(
            {"purpose": purpose, "key": "a", "state": "signing", "made": day}
            for purpose in Purpose
            if purpose is not Purpose.READ
        ),
    ]
    for key in load_keys(key_file).ring(Purpose.READ).keys:
        assert key.secret.hex() not in shown.stdout + document.stdout


def test_a_missing_key_file_is_named(keys, key_file):
    """All commands except `init` require the key file."""
    refused = keys("list")
    assert refused.exit_code == 2
    assert str(key_file) in refused.stderr


def test_a_signature_of_another_key_ring_is_rejected(keys, key_file):
    """Keys are random, so two clusters reject each other's URLs."""
    keys("init")
    foreign = signed(key_file)
    key_file.unlink()
    keys("init")
    with pytest.raises(BadMac):
        verify(load_keys(key_file), foreign)


def test_a_rotation_changes_one_purpose_only(keys, key_file):
    """Tokens, jobs, and requests stay valid when the keys of URLs change."""
    keys("init")
    before = load_keys(key_file)
    keys("add")
    keys("retire", "a", "--yes")
    after = load_keys(key_file)
    changed = [each for each in Purpose if after.ring(each) != before.ring(each)]
    assert changed == [Purpose.READ]


def test_the_keys_of_photo_ids_are_not_rotated(keys):
    """Another key would make a second photo of every Idempotency-Key."""
    keys("init")
    refused = keys("list")
    assert "photo-id" in refused.stdout
    result = CliRunner().invoke(main, ["keys", "add", "--purpose", "photo-id"])
    assert result.exit_code == 2
    assert "'photo-id' is not one of" in result.stderr


def test_init_adds_keys_for_missing_purposes(keys, key_file):
    """A file from a version with fewer purposes keeps its keys."""
    keys("init")
    old = load_keys(key_file).only([Purpose.READ, Purpose.TOKEN])
    save_keys(key_file, old)
    assert "internal" in keys("init").stdout
    new = load_keys(key_file)
    assert set(new.rings) == set(Purpose)
    assert new.only([Purpose.READ, Purpose.TOKEN]) == old


def test_an_exported_file_signs_urls_and_nothing_else(keys, key_file, tmp_path):
    """It is private, has no retired key, and the cluster accepts its URLs."""
    keys("init")
    keys("add")
    keys("retire", "a", "--yes")
    exported = tmp_path / "shop.toml"
    done = keys("export", "--purpose", "read", "--out", str(exported))
    assert done.exit_code == 0
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600
    own = load_keys(exported)
    assert [key.key_id for key in own.ring(Purpose.READ).keys] == ["b"]
    verify(load_keys(key_file), signed(exported))
    for purpose in set(Purpose) - {Purpose.READ}:
        with pytest.raises(InvalidKeys, match=f"no key of purpose {purpose}"):
            own.ring(purpose)
    text = exported.read_text()
    for purpose in set(Purpose) - {Purpose.READ}:
        for key in load_keys(key_file).ring(purpose).keys:
            assert key.secret.hex() not in text


def test_an_exported_file_proves_old_tombstones_and_maps(keys, key_file, tmp_path):
    """A node that lost them would obey no delete from before a rotation."""
    keys("init")
    before = load_keys(key_file)
    proof, signed_map = TombstoneProofs(before).sign(f"{STEM}.gone"), sign_map(before, "map\n")
    assert keys("add", "--purpose", "tombstone", "--purpose", "map").exit_code == 0
    for purpose in ("tombstone", "map"):
        assert keys("retire", "--purpose", purpose, "a", "--yes").exit_code == 0
    node_keys = tmp_path / "node-keys.toml"
    keys("export", "--purpose", "tombstone", "--purpose", "map", "--out", str(node_keys))
    exported = load_keys(node_keys)
    assert TombstoneProofs(exported).is_genuine(f"{STEM}.gone", proof)
    assert verify_map(exported, signed_map) == "map\n"


def test_a_restricted_key_signs_within_its_restriction(keys, key_file, tmp_path):
    """The file has the restricted key alone, and the cluster refuses what it excludes."""
    keys("init")
    out = tmp_path / "shop.toml"
    options = ("--only", "web", "--longest", "7d", "--out", str(out))
    done = keys("export", "--purpose", "read", *options)
    assert (done.exit_code, done.stdout) == (0, f"Wrote {out}: read w168\n")
    own, cluster = load_keys(out), load_keys(key_file)
    assert [key.key_id for key in own.ring(Purpose.READ).keys] == ["a-w168"]
    assert cluster.ring(Purpose.READ).signing_key.secret.hex() not in out.read_text()
    assert derived_key(cluster.ring(Purpose.READ), "a", Purpose.READ).hex() not in out.read_text()
    signer, soon = ReadSigner(own), NOW_SECONDS + 86_400
    verify(cluster, signer.url(f"{STEM}_m.jpg", size_class="web", expiry_seconds=soon))
    for size_class, size, expiry in (("web", "m", 0), ("original", "o", soon)):
        url = signer.url(f"{STEM}_{size}.jpg", size_class=size_class, expiry_seconds=expiry)
        with pytest.raises(BeyondRestriction):
            verify(cluster, url)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--purpose", "token", "--only", "web"), "only a key of purpose read can be restricted"),
        (("--purpose", "read", "--longest", "90m"), "not in whole hours"),
        (("--purpose", "read", "--longest", "90w"), "out of range: 1 to 9999"),
        (("--purpose", "read", "--only", "thumb"), "'thumb' is not one of"),
    ],
)
def test_a_restriction_that_no_key_can_have_is_refused(keys, tmp_path, options, why):
    """The error has the reason, and no file is written."""
    keys("init")
    out = tmp_path / "shop.toml"
    done = keys("export", *options, "--out", str(out))
    assert done.exit_code == 2
    assert why in " ".join(done.stderr.split())
    assert not out.exists()
