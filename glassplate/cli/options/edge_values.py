"""What people type for an edge: numbers of bytes (512M, 20G), and addresses (varnish-1:8080)."""

import re

import click

from volumes.address import Address, InvalidAddress, parse_address

_BYTES = re.compile(r"([1-9][0-9]{0,15})([KMGT]?)")
_UNIT_BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


class BytesType(click.ParamType[int]):
    """A number of bytes as an option's value."""

    name = "bytes"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The number that a text stands for."""
        match = _BYTES.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is not a number of bytes such as 512M or 20G", param, ctx)
        return int(match[1]) * _UNIT_BYTES[match[2]]


class AddressType(click.ParamType[Address]):
    """A host and a port as an option's value."""

    name = "host:port"

    def convert(
        self, value: str | Address, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address:
        """The address that a text stands for."""
        try:
            return parse_address(str(value))
        except InvalidAddress as error:
            self.fail(str(error), param, ctx)


BYTES = BytesType()
ADDRESS = AddressType()
