"""Scenarios of a cluster whose third mirrors are in S3. Time is compressed: an hour is seconds."""

from drill.faults.buckets import (
    BucketBreaksOff,
    BucketBusy,
    BucketCorrupts,
    BucketGone,
    BucketRead,
    BucketSlow,
)
from drill.faults.disks import DiskReplaced
from drill.faults.evidence import Fault
from drill.faults.processes import Down
from drill.scenarios.scenario import ALL_EDGES, Scenario, Step, steps

# Both disks of volumes 1 and 2: what is read of these is read from the bucket.
BOTH_DISKS = ("east-1", "west-1")
CONVERGE_SECONDS_MAX = 120.0
REPRESENTATIVE = ("bucket-gone", "bucket-corrupts-when-both-disks-are-down")


def _scenario(
    name: str,
    description: str,
    *faults: Fault,
    timeline: tuple[Step, ...] = (),
    read_success_min: float = 0.99,
) -> Scenario:
    return Scenario(
        name=name,
        description=description,
        steps=timeline or steps(*faults),
        unaffected_edges=ALL_EDGES,
        read_success_min=read_success_min,
        needs=("weed",),
        is_representative=name in REPRESENTATIVE,
        has_bucket=True,
        converge_seconds_max=CONVERGE_SECONDS_MAX,
    )


BUCKETS = (
    _scenario("bucket-slow", "Every answer of S3 takes a second longer.", BucketSlow()),
    _scenario("bucket-busy", "S3 says 503 SlowDown four times in five.", BucketBusy()),
    _scenario(
        "bucket-gone",
        "S3 answers nobody for a long while, and the bucket is filled when it is back.",
        timeline=steps(BucketGone(), begins=0.1, ends=0.9),
    ),
    _scenario(
        "bucket-gone-and-node-emptied",
        "S3 answers nobody, and a node starts again with an empty disk.",
        BucketGone(),
        DiskReplaced("east-1"),
    ),
    _scenario(
        "bucket-serves-when-both-disks-are-down",
        "Both nodes over disks of some volumes are killed, and the bucket's node serves for them.",
        Down(BOTH_DISKS),
        BucketRead(),
        read_success_min=0.9,
    ),
    _scenario(
        "bucket-breaks-off-when-both-disks-are-down",
        "The bucket's node serves for two that are down, and bodies that S3 sends it break off.",
        Down(BOTH_DISKS),
        BucketBreaksOff(),
        read_success_min=0.5,
    ),
    _scenario(
        "bucket-corrupts-when-both-disks-are-down",
        "The bucket's node serves for two that are down, and S3 sends it wrong bytes.",
        Down(BOTH_DISKS),
        BucketCorrupts(),
        read_success_min=0.5,
    ),
)
