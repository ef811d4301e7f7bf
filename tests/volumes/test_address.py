"""Addresses: round trips, and rejection of invalid texts."""

import pytest

from volumes.address import Address, InvalidAddress, parse_address


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1:7101", "node-1:1", "node_1.east.example.org:65535", "[::1]:80", "h:8080"],
)
def test_an_address_comes_back_from_its_text(text):
    """An address has one spelling."""
    assert str(parse_address(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "host", "host:", ":80", "host:0", "host:00080", "host:65536", "host:99999",
        "host:8o", "host:-1", "host:+1", "host: 80", "host:80 ", " host:80", "ho st:80",
        "host:80\n",
        "http://host:80", "host:80/", "user@host:80", "::1:80", "host:\u0668\u0660", "host:80:80",
        "a;b:80", "{host}:80",
    ],
)  # fmt: skip
def test_an_invalid_address_is_rejected_with_an_example(text):
    """The message has an example, for example for a pasted URL."""
    with pytest.raises(InvalidAddress, match=r"as in \"127\.0\.0\.1:7101\""):
        parse_address(text)


def test_addresses_are_equal_by_value():
    """Addresses are dictionary keys."""
    assert {Address("a", 1): "found"}[parse_address("a:1")] == "found"
