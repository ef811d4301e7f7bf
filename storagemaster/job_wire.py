"""Protocol of jobs between storagemasters and workers: names, queues, limits, and signatures.

A job has two arguments: the photo path of an original, and a signature of the path and the kind.
"""

from collections.abc import Mapping
from enum import StrEnum

# A worker takes the next job from the first queue that has one. So jobs of later queues delay an
# upload by at most the photo in progress.
INTERACTIVE_QUEUE = "interactive"
NEW_QUEUE = "new"
RETRY_QUEUE = "retry"
REGENERATE_QUEUE = "regenerate"
SECOND_PASS_QUEUE = "second-pass"  # noqa: S105  # the name of a queue
QUEUES = (INTERACTIVE_QUEUE, NEW_QUEUE, RETRY_QUEUE, REGENERATE_QUEUE, SECOND_PASS_QUEUE)

JOB_SECONDS_MAX = 90
# Heartbeat interval, and the time without a heartbeat after which a worker counts as dead.
HEARTBEAT_SECONDS = 3.0
HEARTBEAT_TTL_SECONDS = 12
WORKERS_KEY = "glassplate:workers"


class JobKind(StrEnum):
    """Name of a job in the queue. A worker runs only these names, and imports nothing by name."""

    SIZES = "make_sizes"
    AGAIN = "make_sizes_again"
    """As `SIZES`, but also for a photo that has failed permanently."""
    SECOND_PASS = "make_second_pass"  # noqa: S105  # the name of a job


def fields_to_sign(kind: JobKind, path: str) -> Mapping[str, str]:
    """Return the fields that the signature of a job covers."""
    return {"job": kind.value, "path": path}


def heartbeat_key(worker: str) -> str:
    """Return the key of a worker's heartbeat, which expires after `HEARTBEAT_TTL_SECONDS`."""
    return f"{WORKERS_KEY}:{worker}"
