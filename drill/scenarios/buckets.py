"""Scenarios with mirrors in S3. Time is compressed: an hour is a few seconds."""

from drill.cluster.drill_bucket import PAIR
from drill.cluster.drill_cluster import Buckets
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
from drill.faults.processes import Down, Killed
from drill.scenarios.scenario import ALL_EDGES, Scenario, Step, steps

# The disk mirrors of volumes 1 and 2. While both are down, the bucket serves these volumes.
BOTH_DISKS = ("east-1", "west-1")
CONVERGE_SECONDS_MAX = 120.0
REPRESENTATIVE = ("bucket-gone", "bucket-corrupts-when-both-disks-are-down")


def _scenario(
    name: str,
    description: str,
    *faults: Fault,
    timeline: tuple[Step, ...] = (),
    read_success_min: float = 0.99,
    buckets: Buckets = Buckets.THIRD,
) -> Scenario:
    return Scenario(
        name=name,
        description=description,
        steps=timeline or steps(*faults),
        unaffected_edges=ALL_EDGES,
        read_success_min=read_success_min,
        needs=("weed",),
        is_representative=name in REPRESENTATIVE,
        buckets=buckets,
        converge_seconds_max=CONVERGE_SECONDS_MAX,
    )


BUCKETS = (
    _scenario("bucket-slow", "Every response of S3 takes a second longer.", BucketSlow()),
    _scenario("bucket-busy", "S3 rejects four of five requests with 503 SlowDown.", BucketBusy()),
    _scenario(
        "bucket-gone",
        "S3 is unreachable for a long time; the bucket is filled when it is back.",
        timeline=steps(BucketGone(), begins=0.1, ends=0.9),
    ),
    _scenario(
        "bucket-gone-and-node-emptied",
        "S3 is unreachable, and a node restarts with an empty disk.",
        BucketGone(),
        DiskReplaced("east-1"),
    ),
    _scenario(
        "bucket-serves-when-both-disks-are-down",
        "Both disk mirrors of some volumes are down, and the bucket's node serves them.",
        Down(BOTH_DISKS),
        BucketRead(),
        read_success_min=0.9,
    ),
    _scenario(
        "bucket-breaks-off-when-both-disks-are-down",
        "The bucket's node serves for two down mirrors, and S3 truncates bodies.",
        Down(BOTH_DISKS),
        BucketBreaksOff(),
        read_success_min=0.5,
    ),
    _scenario(
        "bucket-corrupts-when-both-disks-are-down",
        "The bucket's node serves for two down mirrors, and S3 returns corrupt bodies.",
        Down(BOTH_DISKS),
        BucketCorrupts(),
        read_success_min=0.5,
    ),
    _scenario(
        "bucket-pair-and-one-gone",
        "All mirrors are buckets of two S3 servers, and one of these is unreachable.",
        BucketGone(),
        buckets=Buckets.ONLY,
    ),
    _scenario(
        "bucket-pair-and-one-node-killed",
        "All mirrors are buckets of two S3 servers, and the node of one is killed three times.",
        Killed((str(PAIR[1]),), times=3),
        buckets=Buckets.ONLY,
    ),
)
