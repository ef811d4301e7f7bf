"""Enqueueing of a batch of jobs by a script in Valkey: one atomic step, whatever is in the queue.

RQ renders the fields of a job once for each queue and kind. The script adds the fields that differ
between two jobs. RQ's tools and workers see a job as if RQ had enqueued it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import redis
from redis.client import Pipeline
from rq import Queue, Retry
from rq.job import Job
from rq.registry import ScheduledJobRegistry
from rq.serializers import JSONSerializer
from rq.utils import now, utcformat

from storagemaster.job_wire import JOB_SECONDS_MAX, JobKind

# A finished job leaves no result. A failed job stays for a day, for the operator.
RESULT_SECONDS = 0
FAILURE_SECONDS = 24 * 3600
RETRY_INTERVALS_SECONDS = [2, 10]

# Jobs leave a queue in the order of `enqueued_at`. A job that is older than the first job of its
# queue has therefore left the queue, or another machine's clock differs: a closer look decides.
_SCRIPT = b"""
local queues, queue, job, scheduled = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local prefix, now, shared = ARGV[1], ARGV[2], tonumber(ARGV[3])
local fields = {'created_at', now, 'enqueued_at', now, 'data', '', 'description', '', 'meta', ''}
for i = 4, 3 + 2 * shared do
  fields[#fields + 1] = ARGV[i]
end
local firsts = {}
local function first_of(queue_name)
  if firsts[queue_name] == nil then
    local id = redis.call('LINDEX', prefix .. queue_name, 0)
    local found = id and redis.pcall('HGET', job .. id, 'enqueued_at')
    firsts[queue_name] = type(found) == 'string' and found
  end
  return firsts[queue_name]
end
local function waits(id)
  local found = redis.pcall('HMGET', job .. id, 'status', 'origin', 'enqueued_at')
  if found.err or not found[2] then return false end
  if found[1] == 'scheduled' then
    return redis.call('ZSCORE', scheduled .. found[2], id) ~= false
  end
  local first = found[1] == 'queued' and first_of(found[2])
  return first and found[3] and first <= found[3] and found[3] <= now
end
local new, doubtful = {}, {}
for i = 4 + 2 * shared, #ARGV, 4 do
  local id = ARGV[i]
  if redis.call('EXISTS', job .. id) == 0 then
    fields[6], fields[8], fields[10] = ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
    redis.call('HSET', job .. id, unpack(fields))
    new[#new + 1] = id
  elseif not waits(id) then
    doubtful[#doubtful + 1] = id
  end
end
if #new > 0 then
  redis.call('SADD', queues, queue)
  redis.call('RPUSH', queue, unpack(new))
end
return doubtful
"""
_RENDERED = {"created_at", "enqueued_at", "data", "description", "meta"}


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to enqueue: its id, the arguments of its function, and what RQ stores beside it."""

    id: str
    arguments: tuple[str, ...]
    meta: Mapping[str, str]


class EnqueueScript:
    """The script, with RQ's fields for each queue and kind of job."""

    def __init__(self, connection: redis.Redis) -> None:
        self._connection = connection
        self._run = connection.register_script(_SCRIPT)
        self._shared: dict[tuple[str, JobKind], list[Any]] = {}

    def put(
        self,
        queue_name: str,
        kind: JobKind,
        jobs: Iterable[NewJob],
        pipeline: Pipeline | None = None,
    ) -> list[bytes]:
        """Enqueue the jobs that do not exist, and keep the jobs that wait in a queue.

        Returns:
            The ids of other existing jobs: running, ended, malformed, or off their queue. With a
            `pipeline`, the ids are in its result instead.
        """
        shared = self._shared_fields(queue_name, kind)
        arguments: list[Any] = [
            Queue.redis_queue_namespace_prefix,
            utcformat(now()),
            len(shared) // 2,
            *shared,
        ]
        for job in jobs:
            # RQ also reads data that is not compressed, which takes far less time.
            data = _dumps((kind.value, None, job.arguments, {}))
            meta = _dumps(job.meta) if job.meta else b""
            arguments += (job.id, data, f"{kind.value} {job.arguments[0]}", meta)
        keys = [
            Queue.redis_queues_keys,
            Queue.redis_queue_namespace_prefix + queue_name,
            Job.key_for(""),
            ScheduledJobRegistry.key_template.format(""),
        ]
        doubtful: list[bytes] = self._run(keys=keys, args=arguments, client=pipeline)
        return [] if pipeline is not None else doubtful

    def _shared_fields(self, queue_name: str, kind: JobKind) -> list[Any]:
        """Return names and values of RQ's fields that all jobs of a kind in a queue share."""
        if (queue_name, kind) not in self._shared:
            queue = Queue(queue_name, self._connection, serializer=JSONSerializer)
            job = queue.create_job(
                kind.value,
                timeout=JOB_SECONDS_MAX,
                result_ttl=RESULT_SECONDS,
                failure_ttl=FAILURE_SECONDS,
                retry=Retry(max=len(RETRY_INTERVALS_SECONDS), interval=RETRY_INTERVALS_SECONDS),
            )
            fields = job.to_dict().items()
            self._shared[queue_name, kind] = [
                part for name, value in fields if name not in _RENDERED for part in (name, value)
            ]
        return self._shared[queue_name, kind]


def _dumps(value: object) -> bytes:
    data: bytes = JSONSerializer.dumps(value)  # type: ignore[no-untyped-call]  # RQ has no types
    return data
