"""Bugs in what the status waits for, and in what operators see of nodes and edges."""

from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.settling import Settling
from storagemaster.operations.cluster_status import ClusterStatus
from storagenode.upkeep.fence import Fence
from tests.planted.finders import Tests
from tests.planted.planted_bug import PlantedBug


def takes_every_volume_for_compared(patch):
    """Take a volume for compared before any comparison."""
    patch.setattr(Settling, "is_compared", lambda *_: True)


def always_knows_absence(patch):
    """Take a missing file for absent before a storagemaster has compared the node."""
    patch.setattr(Fence, "knows_absence", lambda *_: True)


def takes_purge_ports_for_up(patch):
    """Report the listen port of an edge as its purge port."""
    document_of = ClusterStatus._edge

    def edge_document(status, edge):
        document = document_of(status, edge)
        return {**document, "purge_up": document["up"]}

    patch.setattr(ClusterStatus, "_edge", edge_document)


def gives_operators_little_patience(patch):
    """Give up the queries of operators after 5 s."""
    query = Mirrors.query

    async def query_briefly(mirrors, ids, request, *, patience_seconds=None):
        patience_seconds = patience_seconds and min(patience_seconds, 5.0)
        return await query(mirrors, ids, request, patience_seconds=patience_seconds)

    patch.setattr(Mirrors, "query", query_briefly)


BUGS_OF_STATUS = (
    PlantedBug(
        what="the status waits for no comparison",
        plant=takes_every_volume_for_compared,
        found_by=Tests("tests/storagemaster/operations/test_waits.py"),
    ),
    PlantedBug(
        what="a new mirror says 404 for photos that are on the other",
        plant=always_knows_absence,
        found_by=Tests("tests/storagenode/upkeep/test_fence.py"),
    ),
    PlantedBug(
        what="the purge port of an edge counts as up if its listen port is",
        plant=takes_purge_ports_for_up,
        found_by=Tests("tests/storagemaster/operations/test_port_health.py"),
    ),
    PlantedBug(
        what="a slow node is unreachable for operators after 5 s",
        plant=gives_operators_little_patience,
        found_by=Tests("tests/storagemaster/mirrors/test_mirrors.py"),
    ),
)
