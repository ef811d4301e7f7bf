"""The golden URLs are up to date, and the verifier agrees with them."""

import pytest

from permission_urls import Forbidden, MalformedUrl, Purpose, ReadSigner, Verifier, derived_keys


def test_the_file_is_what_the_script_makes(golden_maker):
    """If this fails, run tests/permission_urls/make_golden_urls.py and review the diff."""
    path = golden_maker.Path(golden_maker.__file__).with_name("golden_urls.json")
    assert path.read_text(encoding="ascii") == golden_maker.render()


def test_there_are_enough_vectors_of_each_verdict(golden):
    """The file has a minimum number of vectors per verdict."""
    verdicts = [vector["verdict"] for vector in golden["vectors"]]
    assert len(verdicts) >= 250
    assert min(verdicts.count(verdict) for verdict in ("ok", "400", "403")) >= 100
    assert len({vector["url"] for vector in golden["vectors"]}) == len(verdicts)


def test_every_size_ext_key_and_expiry_is_among_the_good_ones(golden):
    """The valid vectors cover every size, ext, key, and expiry, and the class of every size."""
    good = [vector["url"] for vector in golden["vectors"] if vector["verdict"] == "ok"]
    parts = [url.rpartition("/")[2].split(".") for url in good]
    assert {(part[0][-1], part[4]) for part in parts} == {
        (size, ext)
        for size in golden["size_classes"]
        for ext in ("jpg", "png", "gif", "webp", "avif", "heic", "tif")
    }
    assert {part[1].partition("-")[0] for part in parts} == set(golden["read_keys"])
    assert {"0", "ffffffff", "ffffffffff"} <= {part[2] for part in parts}


def test_the_read_keys_are_the_rings(golden, golden_ring):
    """The read keys of an edge are the derived ones, without retired keys."""
    derived = derived_keys(golden_ring, Purpose.READ)
    assert {key_id: key.hex() for key_id, key in derived.items()} == golden["read_keys"]


@pytest.mark.parametrize("keys_of", ["ring", "derived keys"])
def test_the_verifier_agrees_with_every_vector(golden, golden_ring, keys_of):
    """The verifier agrees with the whole ring and with only the derived keys."""
    keys = golden_ring if keys_of == "ring" else derived_keys(golden_ring, Purpose.READ)
    verifier = Verifier(keys, golden["size_classes"])
    for vector in golden["vectors"]:
        verdict, path = verdict_of(verifier, vector["url"].encode("latin-1"), vector["now"])
        assert (verdict, path) == (vector["verdict"], vector.get("path")), vector["why"]


def test_only_vectors_named_so_depend_on_the_clock(golden, golden_ring):
    """All other vectors are valid at any time of this century."""
    verifier = Verifier(golden_ring, golden["size_classes"])
    for vector in golden["vectors"]:
        if not vector["why"].startswith("clock"):
            for later_seconds in (1, 10**6, 10**9, 2 * 10**9):
                now_seconds = vector["now"] + later_seconds
                verdict, _ = verdict_of(verifier, vector["url"].encode("latin-1"), now_seconds)
                assert verdict == vector["verdict"], vector["why"]


def test_the_signer_makes_the_good_vectors(golden, golden_ring):
    """The signer reproduces every valid URL of the signing key exactly."""
    signer = ReadSigner(golden_ring)
    made = 0
    for vector in golden["vectors"]:
        if vector["verdict"] == "ok" and ".a." in vector["url"]:
            expiry_text = vector["url"].split(".")[2]
            size_class = golden["size_classes"][vector["path"].split("_")[2][0]]
            url = signer.url(
                vector["path"], size_class=size_class, expiry_seconds=int(expiry_text, 16)
            )
            assert url == vector["url"]
            made += 1
    assert made >= 50


def verdict_of(verifier: Verifier, raw: bytes, now_seconds: int) -> tuple[str, str | None]:
    """Return the verifier's verdict in the format of the file."""
    try:
        return "ok", verifier.verify(raw, now_seconds).path
    except MalformedUrl:
        return "400", None
    except Forbidden:
        return "403", None
