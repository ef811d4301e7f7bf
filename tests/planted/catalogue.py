"""All planted bugs."""

from tests.planted.bugs_of_disks import BUGS_OF_DISKS
from tests.planted.bugs_of_edges import BUGS_OF_EDGES
from tests.planted.bugs_of_nodes import BUGS_OF_NODES
from tests.planted.bugs_of_permissions import BUGS_OF_PERMISSIONS
from tests.planted.bugs_of_repairs import BUGS_OF_REPAIRS
from tests.planted.bugs_of_storagemasters import BUGS_OF_STORAGEMASTERS

BUGS = (
    *BUGS_OF_DISKS,
    *BUGS_OF_NODES,
    *BUGS_OF_STORAGEMASTERS,
    *BUGS_OF_REPAIRS,
    *BUGS_OF_PERMISSIONS,
    *BUGS_OF_EDGES,
)
