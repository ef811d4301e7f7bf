"""A capacity plan: all figures of a scenario, computed from unit costs."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from capacity.background import DailyCost, daily_costs, scrub_days
from capacity.durability import Durability, simulate_losses
from capacity.filling import fill
from capacity.layout import lay_out
from capacity.rebuild import Rebuild, estimate_rebuild
from capacity.scenario import InvalidScenario, Scenario
from capacity.unit_costs import UnitCosts


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityPlan:
    """The figures of one scenario."""

    scenario: Scenario
    costs: UnitCosts
    photos: int
    stored_bytes: int
    fillable_bytes: int
    nodes_needed: int
    """N: nodes that hold the stored bytes when filled up to the reserve."""
    rebuild: Rebuild
    durability: Durability
    daily_costs: tuple[DailyCost, ...]
    scrub_days: float
    restart_processor_seconds: float

    @property
    def spare_nodes(self) -> int:
        """M: nodes that can be missing while the others can still hold all copies."""
        return self.scenario.nodes - self.nodes_needed

    @property
    def colo_can_be_spared(self) -> bool:
        """True if all copies of a lost colo fit on the other colos, each in another colo."""
        scenario = self.scenario
        colo_nodes = -(-scenario.nodes // scenario.colos)
        return scenario.colos > scenario.mirrors and self.spare_nodes >= colo_nodes

    def document(self) -> dict[str, Any]:
        """Return the JSON document."""
        scenario, rebuild = self.scenario, self.rebuild
        return {
            "scenario": asdict(scenario),
            "capacity": {
                "photos": self.photos,
                "stored_bytes": self.stored_bytes,
                "fillable_bytes": self.fillable_bytes,
                "fill_share": self.stored_bytes / self.fillable_bytes,
                "nodes_needed": self.nodes_needed,
                "spare_nodes": self.spare_nodes,
                "colo_can_be_spared": self.colo_can_be_spared,
                "volumes_per_node": scenario.volumes_per_node,
            },
            "rebuild": {
                "disk_hours": rebuild.seconds_of(1) / 3600,
                "colo_hours": rebuild.seconds_of(scenario.nodes_per_colo) / 3600,
                "limited_by": rebuild.limit_of(1),
                "colo_limited_by": rebuild.limit_of(scenario.nodes_per_colo),
            },
            "durability": asdict(self.durability),
            "background": {
                "scrub_days": self.scrub_days,
                "restart_processor_seconds": self.restart_processor_seconds,
                "daily": [
                    {**asdict(cost), "core_share": cost.core_share} for cost in self.daily_costs
                ],
            },
            "unit_costs": self.costs.document(),
        }


def make_plan(scenario: Scenario, costs: UnitCosts) -> CapacityPlan:
    """Compute all figures of a scenario.

    Raises:
        InvalidScenario: The disks do not hold the files.
    """
    cluster = lay_out(scenario)
    filling = fill(cluster, scenario.disk_bytes)
    stored_bytes = scenario.node_bytes * scenario.nodes
    if stored_bytes > filling.stored_bytes:
        raise InvalidScenario(
            f"disk_bytes: the nodes store {stored_bytes:,} bytes, and their disks take "
            f"{filling.stored_bytes:,}; use larger disks, more nodes, or fewer files"
        )
    rebuild = estimate_rebuild(scenario, costs)
    return CapacityPlan(
        scenario=scenario,
        costs=costs,
        photos=stored_bytes
        // scenario.file_bytes
        // (len(costs.photo_file_bytes) * scenario.mirrors),
        stored_bytes=stored_bytes,
        fillable_bytes=filling.stored_bytes,
        nodes_needed=math.ceil(stored_bytes / filling.stored_bytes * scenario.nodes),
        rebuild=rebuild,
        durability=simulate_losses(scenario, cluster, rebuild),
        daily_costs=daily_costs(scenario, costs),
        scrub_days=scrub_days(scenario, costs),
        restart_processor_seconds=scenario.files_per_node * costs.restart_seconds_per_file,
    )
