"""Documents of the volume map, as the routes of the map return and take them."""

from typing import NotRequired, TypedDict


class MapVotes(TypedDict):
    """The nodes that vote for one map of the next version."""

    version: int
    digest: str
    nodes: list[str]


class MapState(TypedDict):
    """The volume map in force, and the votes for the next one."""

    version: int
    digest: str
    why: str
    text: str | None
    """The map in TOML, signed; null for version 1, which is `cluster.toml`."""
    lagging: list[str]
    """Nodes that respond and do not follow it yet."""
    votes: list[MapVotes]
    is_stuck: bool
    """True if the votes for the next map are split, so that all nodes with a disk must vote."""


class MapChange(TypedDict):
    """One difference between two maps."""

    what: str
    before: str
    """Empty if it is new."""
    after: str
    """Empty if it is removed."""


class NextMap(TypedDict):
    """The next volume map, planned or in force."""

    version: int
    digest: str
    applied: bool
    changes: list[MapChange]


class MapRequest(TypedDict):
    """A request for the next map."""

    tables: str
    """The tables of the edited map, in TOML."""
    after_version: int
    """The version that was edited."""
    why: str
    by: NotRequired[str]
    """The person who changes it, for the log of the map; the token's name by default."""
    apply: bool
    """False to return the changes only."""


class MapVersion(TypedDict):
    """One version of the volume map, and how it differs from the version before it."""

    version: int
    digest: str
    at: str
    """The time at which it was made, in UTC; empty for version 1."""
    by: str
    """The person who made it, as they stated, or `storagemaster`; empty for version 1."""
    why: str
    changes: list[MapChange] | None
    """Null if no node has the version before it; version 1 has none."""


class MapLog(TypedDict):
    """The last versions of the volume map, the newest first."""

    versions: list[MapVersion]
    is_complete: bool
    """False if no node that responds has the next one."""
