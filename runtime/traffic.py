"""The requests of one port: counts for metrics, and lines for the log.

The read port of a node serves a request in less than 60 microseconds, so a count is an addition to
a plain number. `http_metrics.py` makes metrics of these when they are scraped.
"""

import logging
from bisect import bisect_left
from collections.abc import Mapping
from typing import NamedTuple

from runtime.request_scope import RequestScope

log = logging.getLogger("access")

BUCKETS_SECONDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0),
)
SLOW_SECONDS = 1.0
UNMATCHED = "unmatched"
HEALTH_ROUTE = "/healthz"
CLIENT_CLOSED = 499
"""Code of a request whose client disconnected before the response, as in nginx."""

_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_OTHER_METHOD = "other"
# The normal outcomes of requests for photos and ranges that are not refusals.
_ORDINARY_CODES = frozenset({404, 410, 412, 416, CLIENT_CLOSED})


class RequestKind(NamedTuple):
    """The labels of a request in metrics. Clients cannot make new values of them."""

    route: str
    method: str
    code: int


class Series:
    """The counts of the requests of one kind."""

    __slots__ = ("buckets", "received_bytes", "seconds", "sent_bytes")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS_SECONDS) + 1)
        self.seconds = 0.0
        self.received_bytes = 0
        self.sent_bytes = 0

    def record(self, seconds: float, received_bytes: int, sent_bytes: int) -> None:
        """Count one request."""
        self.buckets[bisect_left(BUCKETS_SECONDS, seconds)] += 1
        self.seconds += seconds
        self.received_bytes += received_bytes
        self.sent_bytes += sent_bytes


class Traffic:
    """The requests of one port. Not thread-safe: for the event loop of the port.

    An internal port serves machines of the cluster. It accepts the ids of several requests for one
    batch, and logs only refusals, errors, and slow requests.
    """

    def __init__(self, *, is_internal: bool = True, default_route: str = UNMATCHED) -> None:
        self.is_internal = is_internal
        self.default_route = default_route
        self.in_progress = 0
        self._series: dict[RequestKind, Series] = {}

    @property
    def series(self) -> Mapping[RequestKind, Series]:
        """The counts of each kind of request so far."""
        return self._series

    def series_of(self, route: str, method: str, code: int) -> Series:
        """Return the counts of a kind of request."""
        kind = RequestKind(route, method if method in _METHODS else _OTHER_METHOD, code)
        found = self._series.get(kind)
        if found is None:
            found = self._series[kind] = Series()
        return found

    def finish(
        self,
        scope: RequestScope,
        kind: RequestKind,
        *,
        seconds: float,
        received_bytes: int,
        sent_bytes: int,
    ) -> None:
        """Count a request that has ended, and log it if this port logs such requests."""
        series = self.series_of(kind.route, kind.method, kind.code)
        series.record(seconds, received_bytes, sent_bytes)
        if self.logs(kind, seconds):
            log_request(
                scope, kind, seconds=seconds, received_bytes=received_bytes, sent_bytes=sent_bytes
            )

    def logs(self, kind: RequestKind, seconds: float) -> bool:
        """Return True if this port logs a request of this kind."""
        if seconds > SLOW_SECONDS or (kind.code >= 400 and kind.code not in _ORDINARY_CODES):
            return True
        return not self.is_internal and kind.route != HEALTH_ROUTE


def log_request(
    scope: RequestScope,
    kind: RequestKind,
    *,
    seconds: float,
    received_bytes: int,
    sent_bytes: int,
) -> None:
    """Write the log line of a request. It has the template of the route, never the URL."""
    level = logging.WARNING if kind.code >= 500 else logging.INFO
    if not log.isEnabledFor(level):
        return
    milliseconds = round(seconds * 1000, 1)
    text = f"{kind.method} {kind.route} {kind.code} in {milliseconds} ms"
    # `log.log` takes as long again to find what no line shows.
    record = logging.LogRecord(log.name, level, "", 0, text, None, None)
    record.fields = {
        "request_id": scope.id,
        "method": kind.method,
        "route": kind.route,
        "code": kind.code,
        "ms": milliseconds,
        "received_bytes": received_bytes,
        "sent_bytes": sent_bytes,
    }
    log.handle(record)
