"""Time to fill an empty disk from the other mirrors, by the plan and the throttle of the repair."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from capacity.scenario import Scenario
from capacity.unit_costs import UnitCosts
from storagemaster.repair.plan import plan_shard
from storagemaster.repair.tasks import group_steps
from storagenode.protocol.files import ListedFile
from volumes.cluster import NodeId
from volumes.photo_id import mint_photo_id, mint_version
from volumes.photo_path import Info, PhotoVersion, Variant, VolumeId, render_path
from volumes.sizes import DEFAULT_SIZES

_VOLUME = VolumeId(1)
_SOURCE, _EMPTY = NodeId("full"), NodeId("empty")
# Photos of the sample shard: enough that small files share requests as in a real one.
_PHOTOS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """Seconds to fill disks."""

    node_seconds: float
    """One disk, unthrottled."""
    budget_seconds: float
    """One disk, by the budget of all storagemasters together."""

    def seconds_of(self, disks: int) -> float:
        """Return the time to fill this number of disks at the same time."""
        return max(self.node_seconds, self.budget_seconds * disks)

    def limit_of(self, disks: int) -> str:
        """Return what limits this number of disks: `node` or `repair_budget`."""
        return "node" if self.node_seconds >= self.budget_seconds * disks else "repair_budget"


def estimate_rebuild(scenario: Scenario, costs: UnitCosts) -> Rebuild:
    """Return the time of a rebuild, from the plan of a shard of photos that one mirror lacks."""
    scale = scenario.file_bytes * len(costs.photo_file_bytes) / sum(costs.photo_file_bytes)
    sizes = [max(int(each * scale), 1) for each in costs.photo_file_bytes]
    listings = {_SOURCE: tuple(_shard(sizes)), _EMPTY: ()}
    steps = plan_shard(_VOLUME, listings, complete=True).steps
    budget_bytes = sum(task.budget_bytes for task in group_steps(steps)) / len(steps)
    budget_per_second = scenario.repair_bytes_per_second * scenario.masters_count
    seconds_per_file = (
        costs.repair_clock_seconds_per_file
        + costs.repair_clock_seconds_per_byte * scenario.file_bytes
    )
    return Rebuild(
        node_seconds=scenario.files_per_node * seconds_per_file,
        budget_seconds=scenario.files_per_node * budget_bytes / budget_per_second,
    )


def _shard(sizes: Sequence[int]) -> Iterator[ListedFile]:
    """Yield the listing of photos whose files have these sizes."""
    bits = random.Random(1).getrandbits  # noqa: S311  # no secret
    letters = "o" + "".join(size.letter for size in DEFAULT_SIZES)
    for _ in range(_PHOTOS):
        photo_version = PhotoVersion(
            _VOLUME, mint_photo_id(now_milliseconds=0, random_bits=bits), mint_version(bits)
        )
        files: list[Variant | Info] = [
            Variant(photo_version, letters[at], "jpg") for at in range(len(sizes) - 1)
        ]
        for file, size in zip([*files, Info(photo_version)], sizes, strict=True):
            yield ListedFile(render_path(file).rpartition("/")[2], size, "0" * 64)
