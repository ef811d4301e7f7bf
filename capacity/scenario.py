"""The cluster that is modeled: its size, its limits, and the failures that are assumed."""

from collections.abc import Iterator
from dataclasses import dataclass

from volumes.cluster import Limits
from volumes.photo_path import VOLUME_MAX

COLOS_MIN = 2


class InvalidScenario(ValueError):
    """A scenario that no cluster can have. The message names the option and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One cluster. Rates of failures are assumptions; replace them with your own.

    `partners` is the number of nodes in each other colo that a node shares volumes with; 0 is all.

    Raises:
        InvalidScenario: No cluster can have these values.
    """

    nodes: int
    colos: int
    files_per_node: int
    mirrors: int = 2
    volumes: int = VOLUME_MAX
    partners: int = 0
    masters: int = 0
    """Storagemasters; 0 is two in each colo."""
    file_bytes: int = 200_000
    """Mean size of a file; a photo is an original, its sizes, and its info."""
    disk_bytes: tuple[int, ...] = (24 * 10**12,)
    """Sizes of the disks, in turn."""
    repair_bytes_per_second: int = Limits().repair_bytes_per_second
    scrub_bytes_per_second: int = Limits().scrub_bytes_per_second
    disk_losses_per_year: float = 0.015
    """Share of the disks that are lost in a year."""
    replace_hours: float = 24.0
    """Time until a lost disk has been replaced."""
    colo_losses_per_year: float = 0.001
    """Chance that a colo loses all its disks in a year."""
    colo_outages_per_year: float = 2.0
    outage_hours: float = 4.0
    """Length of an outage of a colo, in which repair waits."""
    years: int = 10_000
    """Simulated years."""
    seed: int = 1

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise InvalidScenario(problem)

    @property
    def nodes_per_colo(self) -> int:
        """Nodes of the smallest colo."""
        return self.nodes // self.colos

    @property
    def masters_count(self) -> int:
        """Number of storagemasters."""
        return self.masters or 2 * self.colos

    @property
    def node_bytes(self) -> int:
        """Bytes of all files on a node."""
        return self.files_per_node * self.file_bytes

    @property
    def volumes_per_node(self) -> float:
        """Mean number of volumes that a node mirrors."""
        return self.volumes * self.mirrors / self.nodes

    def _problems(self) -> Iterator[str]:
        if self.colos < COLOS_MIN:
            yield f"colos: must be at least {COLOS_MIN}, is {self.colos}"
        if not COLOS_MIN <= self.mirrors <= self.colos:
            yield (
                f"mirrors: must be {COLOS_MIN} to {self.colos}, the number of colos, because each "
                f"mirror of a volume is in another colo; is {self.mirrors}"
            )
        if self.nodes < self.colos:
            yield f"nodes: must be at least {self.colos}, one for each colo, is {self.nodes}"
        if not 1 <= self.volumes <= VOLUME_MAX:
            yield f"volumes: must be 1 to {VOLUME_MAX}, is {self.volumes}"
        if self.volumes * self.mirrors < self.nodes:
            least = -(-self.nodes // self.mirrors)
            yield f"volumes: must be at least {least} for {self.nodes} nodes, is {self.volumes}"
        if not 0 <= self.partners <= self.nodes_per_colo:
            yield (
                f"partners: must be 0, for all, to {self.nodes_per_colo}, the nodes of a colo; "
                f"is {self.partners}"
            )
        for name in ("files_per_node", "file_bytes", "years"):
            if getattr(self, name) < 1:
                yield f"{name}: must be at least 1, is {getattr(self, name)}"
        for name in ("repair_bytes_per_second", "scrub_bytes_per_second"):
            if getattr(self, name) < 1:
                yield f"{name}: must be at least 1, is {getattr(self, name)}"
        if self.masters < 0:
            yield f"masters: must be 0, for two in each colo, or more; is {self.masters}"
        if not 0 < self.disk_losses_per_year < 1:
            yield f"disk_losses_per_year: must be between 0 and 1, is {self.disk_losses_per_year}"
        if not 0 <= self.colo_losses_per_year < 1:
            yield f"colo_losses_per_year: must be 0 to below 1, is {self.colo_losses_per_year}"
        for name in ("replace_hours", "colo_outages_per_year", "outage_hours"):
            if getattr(self, name) < 0:
                yield f"{name}: must not be negative, is {getattr(self, name)}"
        if not self.disk_bytes or min(self.disk_bytes) < 10**9:
            yield "disk_bytes: must be at least 1G"
