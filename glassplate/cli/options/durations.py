"""How long something lasts, as people type it: 90s, 15m, 1h, 30d, 2w."""

import re
from datetime import timedelta

import click

_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class DurationType(click.ParamType[timedelta]):
    """A duration as an option's value."""

    name = "duration"

    def convert(
        self,
        value: str | timedelta,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta:
        """The duration that a text stands for."""
        if isinstance(value, timedelta):
            return value
        match = _DURATION.fullmatch(value)
        if match is None:
            self.fail(f"{value!r} is not a duration such as 90s, 15m, 1h, 30d or 2w", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


DURATION = DurationType()
