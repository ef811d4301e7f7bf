"""Scenarios of disks that lose, change or refuse what they are given."""

from drill.faults.disks import (
    Damage,
    Damaged,
    DiskReplaced,
    DisksSwapped,
    FilesLost,
    HintsLost,
    OldBackup,
    PowerLost,
)
from drill.faults.links import ColosCut
from drill.faults.syscalls import CallsFail, DiskFull, DiskReadOnly
from drill.load.load import Pace
from drill.scenarios.scenario import ALL_EDGES, Scenario, Step, steps

NODES = ("east-?", "west-?")

DISKS = (
    Scenario(
        name="bits-flipped",
        description="Single bits flip in files of a node, with nothing else changed.",
        steps=steps(Damaged("west-1", Damage.FLIPPED)),
        unaffected_edges=ALL_EDGES,
        is_representative=True,
    ),
    Scenario(
        name="files-truncated",
        description="Files of two nodes are cut in half, cut to nothing, shorter and longer.",
        steps=steps(
            Damaged("east-1", Damage.HALVED, 2),
            Damaged("west-2", Damage.EMPTIED, 2),
            Damaged("east-2", Damage.SHORTENED, 2),
        ),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="files-lengthened",
        description="Something has written behind the end of files.",
        steps=steps(Damaged("east-1", Damage.LENGTHENED)),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="files-lost",
        description="Files vanish from a node.",
        steps=steps(FilesLost("east-1", files=8)),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="shards-lost",
        description="Whole directories vanish from a node.",
        steps=steps(FilesLost("west-2", shards=5)),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="node-emptied",
        description="A node comes back with a new, empty disk.",
        steps=steps(DiskReplaced("west-1")),
        unaffected_edges=ALL_EDGES,
        is_representative=True,
    ),
    Scenario(
        name="old-backup-returned",
        description="A node comes back with an old backup of its disk; deleted photos are on it.",
        steps=steps(OldBackup("west-1")),
        pace=Pace(deletes=3.0, uploads=4.0),
        is_representative=True,
    ),
    Scenario(
        name="disks-swapped",
        description="Two nodes are given each other's disks, and refuse them.",
        steps=steps(DisksSwapped("west-1", "west-2")),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="hints-lost",
        description="A colo is cut off, and what is owed to it is deleted by hand.",
        steps=(
            Step(fault=ColosCut(), begins=0.2, ends=0.65),
            Step(fault=HintsLost(), begins=0.2, ends=0.6),
        ),
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
        description="The disk of a node is mounted read-only under it.",
        steps=steps(DiskReadOnly()),
        unaffected_edges=ALL_EDGES,
        needs=("root",),
    ),
    Scenario(
        name="fsync-fails",
        description="fsync fails with EIO on one node; it is not tried again.",
        steps=steps(CallsFail("west-1", "fsync", "error=EIO")),
        unaffected_edges=ALL_EDGES,
        needs=("strace",),
        is_representative=True,
    ),
    Scenario(
        name="names-fail",
        description="One node can give no file its name: link fails with EDQUOT.",
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
        description="All nodes of both colos end in the same moment, and come back.",
        steps=steps(PowerLost(NODES), begins=0.4, ends=0.6),
        is_representative=True,
    ),
)
