"""`s3://bucket/prefix`: where a node keeps its files when it has no disk."""

import re
from dataclasses import dataclass

S3_SCHEME = "s3://"

_LOCATION = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<prefix>(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*)/?"
)


class InvalidLocation(ValueError):
    """The text is not the location of a bucket."""


@dataclass(frozen=True, slots=True)
class BucketLocation:
    """A bucket and what the keys of one node begin with in it."""

    bucket: str
    prefix: str
    """Without slashes at its ends; empty where the node has the bucket to itself."""

    def __str__(self) -> str:
        return f"{S3_SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, path: str) -> str:
        """The key of a path below the node's root.

        >>> BucketLocation("photos", "cold-1").key("42/k7/01jd3x8m2c9qp4k7.gone")
        'cold-1/42/k7/01jd3x8m2c9qp4k7.gone'
        """
        return f"{self.prefix}/{path}" if self.prefix else path

    def path(self, key: str) -> str:
        """The inverse of `key`."""
        return key.removeprefix(f"{self.prefix}/") if self.prefix else key


def parse_location(text: str) -> BucketLocation:
    """The location that a node's `store` names; the inverse of `str`.

    >>> parse_location("s3://photos/cold-1")
    BucketLocation(bucket='photos', prefix='cold-1')

    Raises:
        InvalidLocation: It is none.
    """
    match = _LOCATION.fullmatch(text)
    if match is None:
        raise InvalidLocation(f'must be as in "s3://bucket/prefix", is {text!r}')
    return BucketLocation(match["bucket"], match["prefix"].strip("/"))
