"""The settings that all processes of a cluster share, in the headers of health responses."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from permission_urls import KeySource, Purpose, derived_keys, fingerprint
from volumes.cluster import Tls

MAP_HEADER = "Glassplate-Map"
KEYS_HEADER = "Glassplate-Keys"
TLS_HEADER = "Glassplate-Tls"
_HEADERS = {"map": MAP_HEADER, "keys": KEYS_HEADER, "tls": TLS_HEADER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """The settings that a process reports. A field is empty if it is unknown."""

    map: str = ""
    """Digest of the volume map."""
    keys: str = ""
    """Fingerprint of the keys for photo URLs."""
    tls: str = ""
    """`on` or `off`: the connections between the machines. An edge has none."""

    def differences(self, other: "Agreed") -> tuple[str, ...]:
        """Return the fields that both know and that differ."""
        theirs = asdict(other)
        return tuple(n for n, own in asdict(self).items() if own and theirs[n] not in ("", own))


def agreed_headers(map_digest: str, keys: KeySource, tls: Tls) -> dict[str, str]:
    """Return the headers of a health response."""
    ring = keys.ring(Purpose.READ)
    return {
        MAP_HEADER: map_digest,
        KEYS_HEADER: fingerprint(derived_keys(ring, Purpose.READ)),
        TLS_HEADER: tls.mode,
    }


def parse_agreed(headers: Mapping[str, str]) -> Agreed:
    """Parse the headers of a health response."""
    return Agreed(**{field: headers.get(header, "") for field, header in _HEADERS.items()})
