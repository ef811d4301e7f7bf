"""The scenarios by name, in the order of what fails."""

from collections.abc import Mapping

from glassplate.drill.catalogue_of_buckets import BUCKETS
from glassplate.drill.catalogue_of_disks import DISKS
from glassplate.drill.catalogue_of_links import LINKS
from glassplate.drill.catalogue_of_processes import PROCESSES
from glassplate.drill.catalogue_of_the_rest import COLOS, RACES, SERVICES
from glassplate.drill.scenario import Scenario

SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (*PROCESSES, *LINKS, *DISKS, *SERVICES, *BUCKETS, *RACES, *COLOS)
}
