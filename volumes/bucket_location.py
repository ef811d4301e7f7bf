"""Location of a bucket node's files: `s3://bucket/prefix`."""

import re
from dataclasses import dataclass

S3_SCHEME = "s3://"

_LOCATION = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<prefix>(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*)/?"
)


class InvalidLocation(ValueError):
    """The text is not a bucket location."""


@dataclass(frozen=True, slots=True)
class BucketLocation:
    """A bucket, and the prefix of one node's keys in it."""

    bucket: str
    prefix: str
    """Prefix without slashes at its ends; empty if the node uses the whole bucket."""

    def __str__(self) -> str:
        return f"{S3_SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, path: str) -> str:
        """Return the key of a path below the node's root.

        >>> BucketLocation("photos", "cold-1").key("42/k7/01jd3x8m2c9qp4k7.gone")
        'cold-1/42/k7/01jd3x8m2c9qp4k7.gone'
        """
        return f"{self.prefix}/{path}" if self.prefix else path

    def path(self, key: str) -> str:
        """Return the path of a key that `key` returned."""
        return key.removeprefix(f"{self.prefix}/") if self.prefix else key


def parse_location(text: str) -> BucketLocation:
    """Parse the `store` of a bucket node: what `str(BucketLocation)` returns.

    >>> parse_location("s3://photos/cold-1")
    BucketLocation(bucket='photos', prefix='cold-1')

    Raises:
        InvalidLocation: The text is not a bucket location.
    """
    match = _LOCATION.fullmatch(text)
    if match is None:
        raise InvalidLocation(f'must be as in "s3://bucket/prefix", is {text!r}')
    return BucketLocation(match["bucket"], match["prefix"].strip("/"))
