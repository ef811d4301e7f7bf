"""Scenarios of a cluster whose third mirrors are in S3. Time is compressed: an hour is seconds."""

from drill.faults.buckets import (
    BucketBreaksOff,
    BucketBusy,
    BucketGone,
    BucketLies,
    BucketRead,
    BucketSlow,
)
from drill.faults.disks import Emptied
from drill.faults.evidence import Fault
from drill.faults.processes import Down
from drill.scenarios.scenario import ALL_EDGES, Scenario, Step, steps

# Both disks of volumes 1 and 2: what is read of these is read from the bucket.
BOTH_DISKS = ("east-1", "west-1")
CONVERGE_SECONDS_MAX = 120.0
STAND_FOR_ALL = ("bucket-gone", "bucket-lies-when-both-disks-are-down")


def _scenario(
    name: str,
    story: str,
    *faults: Fault,
    timeline: tuple[Step, ...] = (),
    reads_ok_min: float = 0.99,
) -> Scenario:
    return Scenario(
        name=name,
        story=story,
        steps=timeline or steps(*faults),
        edges_spared=ALL_EDGES,
        reads_ok_min=reads_ok_min,
        needs=("weed",),
        is_representative=name in STAND_FOR_ALL,
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
        Emptied("east-1"),
    ),
    _scenario(
        "bucket-serves-when-both-disks-are-down",
        "Both nodes over disks of some volumes are killed, and the bucket's node serves for them.",
        Down(BOTH_DISKS),
        BucketRead(),
        reads_ok_min=0.9,
    ),
    _scenario(
        "bucket-breaks-off-when-both-disks-are-down",
        "The bucket's node serves for two that are down, and bodies that S3 sends it break off.",
        Down(BOTH_DISKS),
        BucketBreaksOff(),
        reads_ok_min=0.5,
    ),
    _scenario(
        "bucket-lies-when-both-disks-are-down",
        "The bucket's node serves for two that are down, and S3 sends it wrong bytes.",
        Down(BOTH_DISKS),
        BucketLies(),
        reads_ok_min=0.5,
    ),
)
