"""docs/keys.md and docs/formats/keys.md: purposes, states, and example are the code's."""

from permission_urls import KeyState, Purpose, parse_keys
from tests.docs.pages import blocks, codes, read_page, tables

PAGE = read_page("docs/keys.md")
FORMAT = read_page("docs/formats/keys.md")


def test_every_purpose_is_listed_on_both_pages():
    """In the order of the code."""
    assert [row["purpose"] for row in tables(PAGE)[0]] == list(Purpose)
    fields = {row["field"]: row["value"] for row in tables(FORMAT)[0]}
    assert codes(fields["purpose"]) == list(Purpose)
    assert codes(fields["state"]) == [KeyState.SIGNING, KeyState.ACCEPTED, KeyState.RETIRED]


def test_the_example_is_a_valid_key_file():
    """The states of its keys are as the table says."""
    keys = parse_keys(blocks(FORMAT, "text")[0])
    assert [key.state for key in keys.ring(Purpose.READ).keys] == [
        KeyState.RETIRED,
        KeyState.SIGNING,
    ]
    assert set(keys.rings) == {Purpose.READ, Purpose.TOKEN}
