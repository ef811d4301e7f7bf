"""Limits of uploads by token and by application, counted in the memory of one storagemaster.

A cluster of several storagemasters therefore allows each limit several times. Every attempt counts,
with the length that it announces, so that a client cannot exceed a limit by failing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from permission_urls import TokenLimits
from storagemaster.admission.caller import Caller
from storagemaster.errors import BadArgument, QuotaExceeded

MINUTE_SECONDS = 60
DAY_SECONDS = 86_400


@dataclass(slots=True)
class _Counts:
    """Uploads of the current minute, and bytes of the current day."""

    minute: int = 0
    uploads: int = 0
    day: int = 0
    bytes: int = 0


class UploadQuotas:
    """Counts of the uploads of each token, and of each application, with limits."""

    def __init__(self, now_seconds: Callable[[], float]) -> None:
        self._now_seconds = now_seconds
        self._counts: dict[str, _Counts] = {}

    def admit(self, caller: Caller, bytes_announced: int | None) -> None:
        """Count an upload before its body.

        Raises:
            QuotaExceeded: It exceeds a limit of the caller's token or application.
            BadArgument: The token limits bytes, and the upload does not announce its length.
        """
        if caller.application_uploads_per_minute is not None:
            limits = TokenLimits(uploads_per_minute=caller.application_uploads_per_minute)
            self._count(f"application {caller.application}", limits, bytes_announced)
        if caller.limits != TokenLimits():
            self._count(f"token {caller.token_id}", caller.limits, bytes_announced)

    def _count(self, name: str, limits: TokenLimits, bytes_announced: int | None) -> None:
        now = int(self._now_seconds())
        counts = self._counts.setdefault(name, _Counts())
        if counts.minute != now // MINUTE_SECONDS:
            counts.minute, counts.uploads = now // MINUTE_SECONDS, 0
        if counts.day != now // DAY_SECONDS:
            counts.day, counts.bytes = now // DAY_SECONDS, 0
        if limits.uploads_per_minute is not None and counts.uploads >= limits.uploads_per_minute:
            raise QuotaExceeded(
                f"the {name} permits {limits.uploads_per_minute} uploads a minute",
                retry_after_seconds=MINUTE_SECONDS - now % MINUTE_SECONDS,
            )
        if limits.bytes_per_day is not None:
            if bytes_announced is None:
                raise BadArgument("this token limits bytes; send the upload with Content-Length")
            if counts.bytes + bytes_announced > limits.bytes_per_day:
                raise QuotaExceeded(
                    f"the {name} permits {limits.bytes_per_day} bytes a day (UTC)",
                    retry_after_seconds=DAY_SECONDS - now % DAY_SECONDS,
                )
            counts.bytes += bytes_announced
        counts.uploads += 1
