"""docs/formats/permission-urls.md: grammar, keys, vectors, verdicts, and signing elsewhere."""

import json
import subprocess

import pytest

from permission_urls import (
    HOURS_MAX,
    DerivedKey,
    KeyRing,
    MalformedUrl,
    ReadSigner,
    Verifier,
    restricted_key,
)
from permission_urls.errors import Forbidden
from permission_urls.expiry import WINDOW_SECONDS
from permission_urls.keys import Key, KeyState
from permission_urls.permission import (
    MALFORMED_REGEX,
    PERMISSION_URL_REGEX,
    parse_permission_url,
    signed_bytes,
)
from permission_urls.restrictions import SLACK_SECONDS, restriction_in
from permission_urls.signing import Purpose, derived_key
from tests.docs.pages import blocks, codes, read_page, section, tables
from volumes.sizes import DEFAULT_SIZES, size_classes

PAGE = read_page("docs/formats/permission-urls.md")
KEYS, VECTORS = tables(section(PAGE, "## Worked vectors"))
(RESTRICTED,) = tables(section(PAGE, "## Restricted keys"))
CLASSES = size_classes(DEFAULT_SIZES)
RUNNERS = {
    "javascript": ["node", "-"],
    "php": ["php"],
    "ruby": ["ruby", "-"],
}
"""Interpreters that read a program from their standard input."""
CALLS = {
    "javascript": """
        for (const [secret, ...parts] of VECTORS)
            console.log(sign(Buffer.from(secret, "hex"), ...parts));
    """,
    "php": """
        foreach (json_decode('VECTORS') as $parts)
            echo sign(hex2bin(array_shift($parts)), ...$parts), "\\n";
    """,
    "ruby": """
        require "json"
        JSON.parse('VECTORS').each { |secret, *parts| puts sign([secret].pack("H*"), *parts) }
    """,
}


def ring_of(signing: str) -> KeyRing:
    """Return the keys of the page, one of them signing, and a retired one."""
    retired = Key(key_id="old", secret=bytes(range(100, 132)), state=KeyState.RETIRED)
    keys = (
        Key(
            key_id=row["key"],
            secret=bytes.fromhex(row["secret"]),
            state=KeyState.SIGNING if row["key"] == signing else KeyState.ACCEPTED,
        )
        for row in KEYS
    )
    return KeyRing(keys=(retired, *keys))


def arguments(url: str) -> list[object]:
    """Return what `sign` of the page takes to make a URL."""
    permitted = parse_permission_url(url)
    permission = permitted.permission
    (secret,) = (row["secret"] for row in KEYS if row["key"] == permission.key_id)
    size_class = CLASSES[permitted.size].value
    stem, size, ext = permitted.stem, permitted.size, permitted.ext
    return [secret, permission.key_id, stem, size, size_class, ext, permission.expiry]


def test_the_regular_expressions_are_the_ones_of_the_code():
    """Both stand in the page as the verifier has them."""
    lines = blocks(PAGE, "regex")[0].splitlines()
    assert dict(line.split(maxsplit=1) for line in lines) == {
        "MALFORMED": MALFORMED_REGEX,
        "PERMISSION_URL": PERMISSION_URL_REGEX,
    }


def test_the_parts_of_the_grammar_table_are_in_the_expression():
    """Patterns of key, expiry, MAC, and ext are copied from the expression."""
    patterns = {row["part"]: row["pattern"] for row in tables(section(PAGE, "## Grammar"))[0]}
    for part in ("size", "key", "expiry", "mac"):
        assert f"({patterns[part]})" in PERMISSION_URL_REGEX
    assert "|".join(codes(patterns["ext"])) in PERMISSION_URL_REGEX


def test_the_examples_of_the_grammar_are_permission_urls():
    """The URL below the template opens the photo with key `a`."""
    (example,) = blocks(PAGE)[0].splitlines()[1:]
    assert example in {row["URL"] for row in VECTORS}


def test_the_size_classes_are_the_default_ones():
    """Every letter stands in the row of its class."""
    found = tables(section(PAGE, "## Signature"))[0]
    assert {letter: row["class"] for row in found for letter in codes(f"`{row['sizes']}`")} == {
        letter: size_class.value for letter, size_class in CLASSES.items()
    }


def test_the_window_is_the_one_of_the_code():
    """The page has its length."""
    text = section(PAGE, "## Signature")
    assert f"multiple of {WINDOW_SECONDS} seconds" in text


@pytest.mark.parametrize("row", KEYS, ids=lambda row: row["key"])
def test_derived_keys(row):
    """The read key of each secret is as the page has it."""
    assert derived_key(ring_of("a"), row["key"], Purpose.READ).hex() == row["derived key"]


@pytest.mark.parametrize("row", RESTRICTED, ids=lambda row: row["restriction"])
def test_restricted_keys(row):
    """Each one derives from the read key of its row."""
    key_id, restriction = codes(row["derived key"])[0], row["restriction"]
    derived = derived_key(ring_of("a"), key_id, Purpose.READ)
    key = restricted_key(DerivedKey(key_id, derived), restriction_in(f"{key_id}-{restriction}"))
    assert key.secret.decode() == row["restricted key"]


def test_the_limits_of_a_lifetime():
    """The page has the largest number of hours, and the seconds beyond them."""
    text = section(PAGE, "## Restricted keys")
    assert f"from 1 to {HOURS_MAX}" in text
    assert f"{SLACK_SECONDS} seconds" in text


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: row["#"])
def test_vectors(row):
    """The code makes the same signed bytes and the same URL, and accepts it."""
    _, key_id, stem, size, size_class, ext, expiry = arguments(row["URL"])
    message = signed_bytes(stem, expiry_text=f"{expiry:x}", size_class=size_class)
    assert message.decode() == row["signed bytes"]
    signer = ReadSigner(ring_of(key_id))
    path = f"{stem}_{size}.{ext}"
    assert signer.url(path, size_class=size_class, expiry_seconds=expiry) == row["URL"]
    assert Verifier(ring_of("a"), CLASSES).verify(row["URL"], 1_700_000_000).path == path


def test_there_are_ten_vectors():
    """The page promises ten."""
    assert [row["#"] for row in VECTORS] == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize("row", tables(section(PAGE, "## Checking"))[0], ids=lambda row: row["row"])
def test_verdicts(row):
    """Each example ends in the row that it stands in."""
    verifier = Verifier(ring_of("a"), CLASSES)
    if not row["error"]:
        assert verifier.verify(row["example"], 1_700_000_100)
        return
    with pytest.raises((MalformedUrl, Forbidden)) as raised:
        verifier.verify(row["example"], 1_700_000_100)
    assert raised.type.__name__ == row["error"]
    assert row["response"] == ("400" if raised.type is MalformedUrl else "403")


def test_python_signs_all_vectors():
    """The Python function of the page makes every URL."""
    namespace: dict[str, object] = {}
    (snippet,) = blocks(PAGE, "python")
    exec(snippet, namespace)
    for row in VECTORS:
        secret, *parts = arguments(row["URL"])
        assert namespace["sign"](bytes.fromhex(secret), *parts) == row["URL"]


@pytest.mark.parametrize("language", RUNNERS)
def test_other_languages_sign_all_vectors(language):
    """The function of the page, run by the language's own interpreter, makes every URL."""
    (snippet,) = blocks(PAGE, language)
    vectors = json.dumps([arguments(row["URL"]) for row in VECTORS])
    program = snippet + CALLS[language].replace("VECTORS", vectors)
    done = subprocess.run(
        RUNNERS[language],
        input=f"<?php\n{program}" if language == "php" else program,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == [row["URL"] for row in VECTORS], done.stderr
