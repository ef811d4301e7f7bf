"""What storagemasters and workers agree on about jobs: their names, lanes, limits and signatures.

A job has two arguments, the photo path of an original and a signature of it with the job's kind.
"""

from collections.abc import Mapping
from enum import StrEnum

# A worker takes from the first lane that has a job, so that what is behind never delays an upload
# by more than the one photo that it is at.
INTERACTIVE_QUEUE = "interactive"
NEW_QUEUE = "new"
RETRY_QUEUE = "retry"
REGENERATE_QUEUE = "regenerate"
SECOND_PASS_QUEUE = "second-pass"  # noqa: S105  # a lane, no password
QUEUES = (INTERACTIVE_QUEUE, NEW_QUEUE, RETRY_QUEUE, REGENERATE_QUEUE, SECOND_PASS_QUEUE)

JOB_SECONDS_MAX = 90
# A worker says this often that it lives, and is held for dead when it has not for the longer time.
HEARTBEAT_SECONDS = 3.0
HEARTBEAT_TTL_SECONDS = 12
WORKERS_KEY = "glassplate:workers"


class JobKind(StrEnum):
    """What a job is called in the queue; a worker has a list of these names and imports nothing."""

    SIZES = "make_sizes"
    AGAIN = "make_sizes_again"
    """Also of a photo that has failed for good."""
    SECOND_PASS = "make_second_pass"  # noqa: S105  # a name, no password


def fields_to_sign(kind: JobKind, path: str) -> Mapping[str, str]:
    """What the signature of a job is made of."""
    return {"job": kind.value, "path": path}


def heartbeat_key(worker: str) -> str:
    """The key that is there for as long as a worker lives, and a little longer."""
    return f"{WORKERS_KEY}:{worker}"
