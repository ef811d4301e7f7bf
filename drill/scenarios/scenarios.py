"""All scenarios by name, in order of the failing component."""

from collections.abc import Mapping

from drill.scenarios.buckets import BUCKETS
from drill.scenarios.disks import DISKS
from drill.scenarios.links import LINKS
from drill.scenarios.moves import MOVES
from drill.scenarios.processes import PROCESSES
from drill.scenarios.scenario import Scenario
from drill.scenarios.services_and_races import COLOS, RACES, SERVICES
from drill.scenarios.trust import TRUST

SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        *PROCESSES,
        *LINKS,
        *DISKS,
        *SERVICES,
        *BUCKETS,
        *RACES,
        *COLOS,
        *TRUST,
        *MOVES,
    )
}
