"""Addresses of servers: a host and a port."""

import re
from dataclasses import dataclass

PORT_MAX = 65535

_ADDRESS = re.compile(r"([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\]):([1-9][0-9]{0,4})")


class InvalidAddress(ValueError):
    """The text is not a host and a port."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a TCP port.

    >>> str(Address("127.0.0.1", 7101))
    '127.0.0.1:7101'
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Parse what `str(Address)` returns.

    >>> parse_address("node-1:7101")
    Address(host='node-1', port=7101)

    Raises:
        InvalidAddress: The text is not a host, a colon, and a port from 1 to 65535.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[2]) > PORT_MAX:
        raise InvalidAddress(f'must be a host and a port, as in "127.0.0.1:7101"; is {text!r}')
    return Address(match[1], int(match[2]))
