"""The audit log of one storagemaster: acts before their response, uploads in passes."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from runtime.quantities import quantity
from storagemaster.audit.copies import Durability
from storagemaster.audit.entries import Act
from storagemaster.audit.log_writer import LogWriter
from storagemaster.mirrors.mirrors import Mirrors

PASS_SECONDS = 2.0
# Bad credentials must not fill the log: equal refusals of a pass share an entry.
REFUSALS_MAX = 100


class AuditLog:
    """Acts and uploads, each with a chain of its own."""

    def __init__(
        self,
        mirrors: Mirrors,
        *,
        master: str,
        boot: str,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        chain = f"{master}-{boot}"
        self._acts = LogWriter("acts", mirrors, chain=chain, now_seconds=now_seconds)
        self._uploads = LogWriter(
            "uploads", mirrors, chain=f"{chain}-uploads", now_seconds=now_seconds
        )
        self._refusals: Counter[Act] = Counter()
        self._refused_requests: dict[Act, str] = {}

    async def record(self, act: Act) -> Durability:
        """Return when an act is in the log on two nodes, in two colos if that is possible now.

        An act is never refused because of its log: the result says how durable the entry is, and
        an entry about it follows.
        """
        return await self._acts.record(act)

    def note_upload(self, act: Act) -> None:
        """Add an upload, which a pass stores."""
        self._uploads.note(act)

    def note_refusal(self, act: Act) -> None:
        """Add refused credentials, which a pass stores with a count."""
        key = replace(act, request="")
        if key not in self._refusals and len(self._refusals) >= REFUSALS_MAX:
            key = replace(key, target="others", caller="", application="")
        self._refusals[key] += act.count
        self._refused_requests[key] = act.request

    async def store(self) -> None:
        """Begin to store what waits."""
        self._note_refusals()
        self._acts.flush()
        self._uploads.flush()

    async def close(self) -> None:
        """Store what waits, once."""
        self._note_refusals()
        await self._acts.close()
        await self._uploads.close()

    def alerts(self) -> list[str]:
        """Return the alert if entries are not in two colos."""
        return [
            f"the audit log is not mirrored: {quantity(count, 'entry is', 'entries are')} "
            f"{durability.value}; start storagenodes in two colos with free space, and it is "
            "completed"
            for count, durability in self._unmirrored()
            if count
        ]

    def unmirrored_entries(self) -> int:
        """Return the number of entries that could not be stored in two colos."""
        return sum(count for count, _ in self._unmirrored())

    def _unmirrored(self) -> list[tuple[int, Durability]]:
        return [self._acts.unmirrored(), self._uploads.unmirrored()]

    def _note_refusals(self) -> None:
        for act, count in self._refusals.items():
            self._acts.note(replace(act, request=self._refused_requests[act], count=count))
        self._refusals.clear()
        self._refused_requests.clear()
