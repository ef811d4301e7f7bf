"""Where a server listens: a host and a port."""

from dataclasses import dataclass

PORT_MAX = 65535


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
    """The inverse of `str(Address)`.

    >>> parse_address("node-1:7101")
    Address(host='node-1', port=7101)

    Raises:
        InvalidAddress: There is no host, or the port is not 1 to 65535.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= PORT_MAX:
        raise InvalidAddress(f'must be a host and a port, as in "127.0.0.1:7101"; is {text!r}')
    return Address(host, int(port))
