"""Names of machines in certificates: the role and the id that the map gives them.

    east-1.node.glassplate        the storage node `east-1`

The name is a DNS name of the certificate, so that TLS itself compares it with the expected one.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

DOMAIN = "glassplate"

_NAME = re.compile(rf"([a-z0-9][a-z0-9-]{{0,31}})\.([a-z]+)\.{DOMAIN}")


class Role(StrEnum):
    """The part of a machine in the cluster."""

    MASTER = "master"
    NODE = "node"
    WORKER = "worker"
    """The image workers of a colo, whose id is the colo."""
    EDGE = "edge"
    """An nginx edge that reads from the nodes over TLS."""
    QUEUE = "queue"
    """The queue server."""
    CACHE = "cache"
    """All memcached servers, which share a certificate."""
    MONITOR = "monitor"
    """A program that reads metrics."""


@dataclass(frozen=True, slots=True)
class MachineName:
    """Role and id of one machine.

    >>> str(MachineName(Role.NODE, "east-1"))
    'east-1.node.glassplate'
    """

    role: Role
    id: str

    def __str__(self) -> str:
        return f"{self.id}.{self.role}.{DOMAIN}"


def parse_machine_name(text: str) -> MachineName | None:
    """Parse what `str(MachineName)` returns, or return None for any other text.

    >>> parse_machine_name("east-1.node.glassplate").id
    'east-1'
    >>> parse_machine_name("localhost")
    """
    match = _NAME.fullmatch(text)
    if match is None or match[2] not in set(Role):
        return None
    return MachineName(Role(match[2]), match[1])


def name_in_certificate(certificate: Mapping[str, Any] | None) -> MachineName | None:
    """Return the one name of a machine in a verified certificate, as `ssl` describes it."""
    names = [text for kind, text in (certificate or {}).get("subjectAltName", ()) if kind == "DNS"]
    machines = [each for each in map(parse_machine_name, names) if each is not None]
    return machines[0] if len(machines) == 1 else None


def expiry_in_certificate(certificate: Mapping[str, Any]) -> float:
    """Return the end of a verified certificate, as `ssl` describes it, since the epoch."""
    return float(ssl.cert_time_to_seconds(certificate["notAfter"]))
