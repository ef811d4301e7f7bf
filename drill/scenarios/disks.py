"""Scenarios of disks that lose, corrupt, or reject data."""

from drill.faults.disks import (
    Damage,
    Damaged,
    DiskReplaced,
    DisksSwapped,
    FilesLost,
    FoldersEmptied,
    HintsLost,
    OldBackup,
    PowerLost,
)
from drill.faults.links import ColosCut
from drill.faults.processes import Down, Killed
from drill.faults.syscalls import CallsFail, DiskFull, DiskReadOnly
from drill.load.load import Pace
from drill.scenarios.scenario import ALL_EDGES, EAST_EDGES, Scenario, Step, steps

NODES = ("east-?", "west-?")

DISKS = (
    Scenario(
        name="bits-flipped",
        description="A single bit flips in each of some files of a node.",
        steps=steps(Damaged("west-1", Damage.FLIPPED)),
        unaffected_edges=ALL_EDGES,
        is_representative=True,
    ),
    Scenario(
        name="files-truncated",
        description="Files of three nodes are cut in half, cut to 0 bytes, or lack a byte.",
        steps=steps(
            Damaged("east-1", Damage.HALVED, 2),
            Damaged("west-2", Damage.EMPTIED, 2),
            Damaged("east-2", Damage.SHORTENED, 2),
        ),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="files-lengthened",
        description="Files of a node have 256 more bytes at their end.",
        steps=steps(Damaged("east-1", Damage.LENGTHENED)),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="files-lost",
        description="Files disappear from a node.",
        steps=steps(FilesLost("east-1", files=8)),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="shards-lost",
        description="Whole shards disappear from a node.",
        steps=steps(FilesLost("west-2", shards=5)),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="node-emptied",
        description="A node restarts with a new, empty disk.",
        steps=steps(DiskReplaced("west-1")),
        unaffected_edges=ALL_EDGES,
        is_representative=True,
    ),
    Scenario(
        name="old-backup-returned",
        description="A node restarts with an old backup of its disk, which holds deleted photos.",
        steps=steps(OldBackup("west-1")),
        pace=Pace(deletes=3.0, uploads=4.0),
        is_representative=True,
    ),
    Scenario(
        name="disks-swapped",
        description="Two nodes have each other's disks, and reject them.",
        steps=steps(DisksSwapped("west-1", "west-2")),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="hints-lost",
        description="A colo is partitioned, and the hints for it are deleted.",
        steps=(
            Step(fault=ColosCut(), begins=0.2, ends=0.65),
            Step(fault=HintsLost(), begins=0.2, ends=0.6),
        ),
    ),
    Scenario(
        name="hints-lost-while-an-edge-is-down",
        description="Photos are deleted while an edge is down; all hints are lost, masters die.",
        steps=(
            Step(fault=Down(("east-nginx",)), begins=0.2, ends=0.85),
            Step(fault=HintsLost(), begins=0.2, ends=0.6),
            Step(fault=Killed(("*-master",)), begins=0.7, ends=0.75),
        ),
        unaffected_edges=("west-nginx", "varnish"),
        pace=Pace(deletes=3.0, uploads=4.0),
        needs=("nginx",),
        is_representative=True,
    ),
    Scenario(
        name="hidden-folders-emptied",
        description="An operator empties the hidden folders of all nodes again and again.",
        steps=steps(FoldersEmptied(), Down(("west-2",))),
        unaffected_edges=EAST_EDGES,
        pace=Pace(deletes=3.0, uploads=4.0, revokes=1.0),
        is_representative=True,
    ),
    Scenario(
        name="disk-full",
        description="The disk of a node is full to the last byte.",
        steps=steps(DiskFull()),
        unaffected_edges=ALL_EDGES,
        pace=Pace(deletes=2.0),
        needs=("root",),
        is_representative=True,
    ),
    Scenario(
        name="disk-read-only",
        description="The disk of a running node is remounted read-only.",
        steps=steps(DiskReadOnly()),
        unaffected_edges=ALL_EDGES,
        needs=("root",),
    ),
    Scenario(
        name="fsync-fails",
        description="fsync fails with EIO on one node, which must not retry it.",
        steps=steps(CallsFail("west-1", "fsync", "error=EIO")),
        unaffected_edges=ALL_EDGES,
        needs=("strace",),
        is_representative=True,
    ),
    Scenario(
        name="names-fail",
        description="One node cannot link files to their names: linkat fails with EDQUOT.",
        steps=steps(CallsFail("east-1", "linkat", "error=EDQUOT")),
        unaffected_edges=ALL_EDGES,
        needs=("strace",),
    ),
    Scenario(
        name="disk-slow",
        description="Every fsync of a node takes half a second.",
        steps=steps(CallsFail("east-1", "fsync", "delay_enter=500000", is_restart_needed=False)),
        unaffected_edges=ALL_EDGES,
        needs=("strace",),
    ),
    Scenario(
        name="power-lost",
        description="All nodes of both colos are killed at the same moment, and restart.",
        steps=steps(PowerLost(NODES), begins=0.4, ends=0.6),
        is_representative=True,
    ),
)
