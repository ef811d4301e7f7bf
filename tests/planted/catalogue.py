"""All planted bugs."""

from tests.planted.audit_bugs import BUGS_OF_AUDIT
from tests.planted.batch_bugs import BUGS_OF_BATCHES
from tests.planted.disk_bugs import BUGS_OF_DISKS
from tests.planted.edge_bugs import BUGS_OF_EDGES
from tests.planted.hardening_bugs import BUGS_OF_HARDENING
from tests.planted.move_bugs import BUGS_OF_MOVES
from tests.planted.moved_volume_bugs import BUGS_OF_MOVED_VOLUMES
from tests.planted.node_bugs import BUGS_OF_NODES
from tests.planted.permission_bugs import BUGS_OF_PERMISSIONS
from tests.planted.repair_bugs import BUGS_OF_REPAIRS
from tests.planted.resumable_bugs import BUGS_OF_RESUMABLE_UPLOADS
from tests.planted.status_bugs import BUGS_OF_STATUS
from tests.planted.storagemaster_bugs import BUGS_OF_STORAGEMASTERS
from tests.planted.summary_bugs import BUGS_OF_SUMMARIES

BUGS = (
    *BUGS_OF_DISKS,
    *BUGS_OF_BATCHES,
    *BUGS_OF_NODES,
    *BUGS_OF_SUMMARIES,
    *BUGS_OF_STORAGEMASTERS,
    *BUGS_OF_RESUMABLE_UPLOADS,
    *BUGS_OF_STATUS,
    *BUGS_OF_REPAIRS,
    *BUGS_OF_PERMISSIONS,
    *BUGS_OF_EDGES,
    *BUGS_OF_HARDENING,
    *BUGS_OF_AUDIT,
    *BUGS_OF_MOVES,
    *BUGS_OF_MOVED_VOLUMES,
)
