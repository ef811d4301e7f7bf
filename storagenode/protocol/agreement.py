"""The settings that all processes of a cluster share, in the headers of health responses."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from permission_urls import KeySource, Purpose, derived_keys, fingerprint

MAP_HEADER = "Glassplate-Map"
KEYS_HEADER = "Glassplate-Keys"
_HEADERS = {"map": MAP_HEADER, "keys": KEYS_HEADER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """Digest of the volume map of a process, and fingerprint of its keys for photo URLs.

    Either is empty if it is unknown.
    """

    map: str = ""
    keys: str = ""

    def differences(self, other: "Agreed") -> tuple[str, ...]:
        """Return the fields that both know and that differ."""
        theirs = asdict(other)
        return tuple(n for n, own in asdict(self).items() if own and theirs[n] not in ("", own))


def agreed_headers(map_digest: str, keys: KeySource) -> dict[str, str]:
    """Return the headers of a health response."""
    ring = keys.ring(Purpose.READ)
    return {MAP_HEADER: map_digest, KEYS_HEADER: fingerprint(derived_keys(ring, Purpose.READ))}


def parse_agreed(headers: Mapping[str, str]) -> Agreed:
    """Parse the headers of a health response."""
    return Agreed(**{field: headers.get(header, "") for field, header in _HEADERS.items()})
