"""Options that restrict a key for URLs, and the key itself."""

from datetime import timedelta

import click

from glassplate.cli.failures import WrongUsage
from glassplate.cli.options.parameter_types import DURATION
from permission_urls import (
    DerivedKey,
    KeySource,
    Purpose,
    Restriction,
    Unsignable,
    derived_keys,
    restriction_of,
)
from volumes.sizes import SizeClass

only_option = click.option(
    "--only",
    "size_classes",
    multiple=True,
    type=click.Choice([each.value for each in SizeClass]),
    metavar="CLASS",
    help="Size class of its URLs: web, large, or original. Repeatable.",
)
longest_option = click.option(
    "--longest", type=DURATION, help="Longest lifetime of its URLs, in whole hours, as in 7d."
)


def parse_restriction(size_classes: tuple[str, ...], longest: timedelta | None) -> Restriction:
    """Return the restriction of the options.

    Raises:
        WrongUsage: The lifetime is not in whole hours, or is out of range.
    """
    hours, rest = divmod(longest, timedelta(hours=1)) if longest else (None, timedelta(0))
    if rest:
        raise WrongUsage(
            f"--longest {longest} is not in whole hours; use a duration such as 1h or 7d"
        )
    try:
        return restriction_of(size_classes, hours)
    except Unsignable as error:
        raise WrongUsage(f"--longest: {error}") from error


def signing_read_key(keys: KeySource) -> DerivedKey:
    """Return the derived key that signs URLs at present."""
    ring = keys.ring(Purpose.READ)
    key_id = ring.signing_key.key_id
    return DerivedKey(key_id, derived_keys(ring, Purpose.READ)[key_id])
