"""Jobs between storagemasters and workers: names, queues, limits, and signatures.

A job has two arguments: the photo path of an original, and a signature of the path and the kind.
"""

from collections.abc import Mapping
from enum import StrEnum

from runtime.request_scope import is_request_id

# A worker takes a job from the first queue that has one. Later queues therefore delay an upload by
# at most the photo that the worker is processing.
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
META_REQUEST_ID = "request_id"
WORKERS_KEY = "glassplate:workers"


class JobKind(StrEnum):
    """Names of jobs in the queue; a worker maps them to functions and never imports by name."""

    SIZES = "make_sizes"
    AGAIN = "make_sizes_again"
    """Job that also processes a photo with a permanent failure."""
    SECOND_PASS = "make_second_pass"  # noqa: S105  # the name of a job


def fields_to_sign(kind: JobKind, path: str) -> Mapping[str, str]:
    """Return the fields that the signature of a job covers."""
    return {"job": kind.value, "path": path}


def render_meta(request_id: str) -> Mapping[str, str]:
    """Return what RQ stores beside a job. Only logs show it, so the signature does not cover it."""
    return {META_REQUEST_ID: request_id} if request_id else {}


def parse_meta(meta: object) -> str:
    """Return the request id in a job's meta, or "" if it has none that is well-formed."""
    found = meta.get(META_REQUEST_ID) if isinstance(meta, dict) else None
    return found if isinstance(found, str) and is_request_id(found) else ""


def heartbeat_key(worker: str) -> str:
    """Return the key that exists while a worker sends heartbeats, and for the TTL after that."""
    return f"{WORKERS_KEY}:{worker}"
