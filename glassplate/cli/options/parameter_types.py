"""Types of values: volumes, durations (1h, 30d), byte counts (512M, 20G), and host:port."""

import re
from datetime import timedelta
from typing import Any

import click

from volumes.address import Address, InvalidAddress, parse_address
from volumes.durations import parse_duration
from volumes.volume_ranges import parse_volume_ranges

NEVER = "never"

_BYTES = re.compile(r"([1-9][0-9]{0,15})([KMGT]?)")
_COUNT = re.compile(r"[1-9][0-9]{0,14}|[1-9](\.[0-9])?e[1-9][0-2]?")
_UNIT_BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


class DurationType(click.ParamType[timedelta]):
    """A duration, such as 1h."""

    name = "duration"

    def convert(
        self,
        value: str | timedelta,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta:
        """Parse a duration."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class LifetimeType(click.ParamType[timedelta | None]):
    """A duration, or `never`, which is None."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta | None:
        """Parse a lifetime."""
        return None if value in {None, NEVER} else DURATION.convert(value, param, ctx)


class BytesType(click.ParamType[int]):
    """A number of bytes, such as 20G."""

    name = "bytes"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Parse a number of bytes."""
        match = _BYTES.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is not a number of bytes such as 512M or 20G", param, ctx)
        return int(match[1]) * _UNIT_BYTES[match[2]]


class CountType(click.ParamType[int]):
    """A whole number of things, such as 300 or 1e8."""

    name = "number"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Parse a number that is at least 1."""
        if not _COUNT.fullmatch(str(value)):
            self.fail(f"{value!r} is not a whole number from 1, such as 300 or 1e8", param, ctx)
        return int(float(value))


class VolumeRangesType(click.ParamType[tuple[tuple[int, int], ...]]):
    """Volumes and ranges of volumes, such as 1-8,12."""

    name = "volumes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[tuple[int, int], ...]:
        """Parse the first and last volume of each range."""
        if isinstance(value, tuple):
            return value
        try:
            return parse_volume_ranges(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class AddressType(click.ParamType[Address]):
    """A host and a port, such as varnish-1:8080."""

    name = "host:port"

    def convert(
        self, value: str | Address, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address:
        """Parse an address."""
        try:
            return parse_address(str(value))
        except InvalidAddress as error:
            self.fail(str(error), param, ctx)


VOLUME = click.IntRange(1, 65535)
DURATION = DurationType()
LIFETIME = LifetimeType()
BYTES = BytesType()
COUNT = CountType()
ADDRESS = AddressType()
VOLUME_RANGES = VolumeRangesType()
