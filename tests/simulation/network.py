"""The network between simulated machines: delays, losses, partitions, and frozen machines.

A message into a cut link is lost, or it arrives when the link is reconnected, even if its sender
has timed out by then.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from storagenode.protocol.errors import NodeError, Unreachable, parse_error, render_error
from storagenode.transport.signed_requests import CONNECT_SECONDS
from tests.simulation.simulated_disk import PowerLost

# The kernel closes a silent connection at some time.
SILENCE_SECONDS_MAX = 30.0
SLOW_SECONDS = 0.6

Link = tuple[str, str]
"""Source and target; each direction is a link of its own."""


@dataclass(slots=True)
class LinkConditions:
    """Conditions of bad links, as probabilities for each message."""

    slow: float = 0.0
    lost: float = 0.0
    duplicated: float = 0.0
    reset: float = 0.0
    garbled: float = 0.0


class Machine:
    """A machine that receives messages while it is up and not frozen."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_up = False
        self.is_dark = False
        """True if it is powered off, and so does not refuse connections."""
        self.is_frozen = False
        self.boot = 0
        self._waiting: list[Callable[[], None]] = []
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def when_running(self, work: Callable[[], None]) -> None:
        """Call `work` now, or when the machine is unfrozen."""
        if self.is_frozen:
            self._waiting.append(work)
        else:
            work()

    async def wait_until_running(self) -> None:
        """Wait until the machine is not frozen."""
        if self.is_frozen:
            thawed = asyncio.get_running_loop().create_future()
            self.when_running(lambda: thawed.done() or thawed.set_result(None))
            await thawed

    def freeze(self) -> None:
        """Freeze the machine, with all its messages."""
        self.is_frozen = True

    def unfreeze(self) -> None:
        """Unfreeze the machine, and process all waiting messages."""
        self.is_frozen = False
        waiting, self._waiting = self._waiting, []
        for work in waiting:
            work()

    def run_task(self, work: Awaitable[Any]) -> asyncio.Task[Any]:
        """Start a task that is cancelled when the process ends."""
        task = asyncio.ensure_future(work)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        return task

    def power_was_cut(self) -> None:
        """Handle a power loss during a change of the disk."""
        raise AssertionError(f"{self.name} has no disk")

    def end_process(self) -> None:
        """End the process with all its tasks."""
        self.is_up = False
        self.is_frozen = False
        self.boot += 1
        self._waiting.clear()
        for task in tuple(self._tasks):
            task.cancel()


class Network:
    """Network that carries requests and responses."""

    def __init__(self, random: Random, report: Callable[[str], None]) -> None:
        self.random = random
        self.report = report
        """Callback for unexpected errors of a machine."""
        self.conditions = LinkConditions()
        self.bad_links: set[str] = set()
        """Machines with bad links."""
        self._cut: set[Link] = set()
        self._parked: list[tuple[Link, Callable[[], None]]] = []
        self.messages = 0

    def cut(self, *links: Link) -> None:
        """Cut links."""
        self._cut.update(links)

    def reconnect(self, *links: Link) -> None:
        """Reconnect links, and deliver half of the messages that waited for them."""
        self._cut.difference_update(links)
        parked, self._parked = self._parked, []
        for link, deliver in parked:
            if link in self._cut:
                self._parked.append((link, deliver))
            elif self.random.random() < 0.5:
                deliver()

    def reconnect_all(self) -> None:
        """Reconnect all links, and end their bad conditions."""
        self.conditions = LinkConditions()
        self.bad_links.clear()
        self.reconnect(*tuple(self._cut))

    def is_cut(self, source: str, target: str) -> bool:
        """Return True if this direction is cut."""
        return (source, target) in self._cut

    def occurs(self, probability: float, link: Link) -> bool:
        """Return True with a probability, if the link is bad."""
        return (
            probability > 0.0
            and not self.bad_links.isdisjoint(link)
            and self.random.random() < probability
        )

    def latency_seconds(self, link: Link) -> float:
        """Return the delay of one message."""
        slow = SLOW_SECONDS if self.occurs(self.conditions.slow, link) else 0.0005
        return self.random.random() * slow + 0.0002

    async def request(
        self,
        source: Machine,
        target: Machine,
        work: Callable[[], Any],
        *,
        timeout_seconds: float | None,
        only_once: bool = False,
    ) -> Any:
        """Run `work` on a machine, and return its result.

        `work` may return a value or a coroutine. Errors are converted as over the real protocol.

        Raises:
            Unreachable: No response came; the result is unknown.
        """
        exchange = _Exchange(self, source, target, work)
        seconds = SILENCE_SECONDS_MAX if timeout_seconds is None else timeout_seconds
        loop = asyncio.get_running_loop()
        expiry = loop.call_later(
            min(seconds, SILENCE_SECONDS_MAX), exchange.fail, "did not respond in time"
        )
        exchange.send(only_once=only_once)
        try:
            return await exchange.response
        finally:
            expiry.cancel()

    def carry(self, link: Link, deliver: Callable[[], None], *, is_response: bool) -> bool:
        """Carry a message; return False if it is lost."""
        self.messages += 1
        if link in self._cut:
            if is_response or self.random.random() < 0.5:
                self._parked.append((link, deliver))
                return True
            return False
        if self.occurs(self.conditions.lost, link):
            return False
        asyncio.get_running_loop().call_later(self.latency_seconds(link), deliver)
        return True


class _Exchange:
    """One request and its response."""

    def __init__(
        self, network: Network, source: Machine, target: Machine, work: Callable[[], Any]
    ) -> None:
        self.response = asyncio.get_running_loop().create_future()
        self._network = network
        self._source = source
        self._target = target
        self._work = work
        self._link = (source.name, target.name)
        self._boot = target.boot

    def send(self, *, only_once: bool) -> None:
        """Send the request, twice if it is duplicated."""
        network = self._network
        is_duplicated = network.occurs(network.conditions.duplicated, self._link)
        times = 2 if is_duplicated and not only_once else 1
        for _ in range(times):
            if not network.carry(self._link, self._arrive, is_response=False):
                loop = asyncio.get_running_loop()
                loop.call_later(CONNECT_SECONDS, self.fail, "cannot be reached")

    def fail(self, reason: str) -> None:
        """End the exchange without a response."""
        if not self.response.done():
            self.response.set_exception(Unreachable(f"{self._target.name} {reason}"))

    def _arrive(self) -> None:
        target = self._target
        if target.is_dark:
            return
        if not target.is_up or target.boot != self._boot:
            self.fail("refuses connections")
            return
        target.when_running(self._do)

    def _do(self) -> None:
        if self._target.boot != self._boot:
            return
        try:
            result = self._work()
        except PowerLost:
            self._target.power_was_cut()
            return
        except Exception as error:  # noqa: BLE001 - the caller gets it
            self._respond(error)
            return
        if asyncio.iscoroutine(result):
            task = self._target.run_task(result)
            task.add_done_callback(self._has_ended)
        else:
            self._respond(result)

    def _has_ended(self, task: "asyncio.Task[Any]") -> None:
        if task.cancelled():
            self.fail("closed the connection")
            return
        error = task.exception()
        if isinstance(error, PowerLost):
            self._target.power_was_cut()
            return
        self._respond(error if error is not None else task.result())

    def _respond(self, what: Any) -> None:
        network, link = self._network, (self._target.name, self._source.name)
        if network.occurs(network.conditions.reset, link):
            what = ConnectionResetError("connection reset")

        def arrive() -> None:
            if self.response.done():
                return
            if isinstance(what, BaseException):
                self.response.set_exception(self._over_the_wire(what))
            else:
                self.response.set_result(what)

        self._target.when_running(lambda: network.carry(link, arrive, is_response=True))

    def _over_the_wire(self, error: BaseException) -> NodeError:
        """Return an error of a node as its client gets it."""
        name = self._target.name
        if isinstance(error, NodeError):
            return parse_error(*render_error(error))
        if isinstance(error, ConnectionError):
            return Unreachable(f"{name}: {error}")
        if not isinstance(error, OSError):
            self._network.report(f"{name} raised {error!r}")
        return NodeError(f"{name}: {error!r}")
