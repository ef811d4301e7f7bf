"""The network between simulated machines: late, lossy, cut in one direction or both, and frozen.

A message into a cut link is lost, or it is on an established connection and arrives when the link
is whole again, however long its sender has given up by then.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from storagenode.protocol.errors import NodeError, Unreachable, parse_error, render_error
from storagenode.transport.signed_requests import CONNECT_SECONDS
from tests.simulation.simulated_disk import PowerLost

# Nobody waits longer than this: a real connection is given up by the kernel at some time.
SILENCE_SECONDS_MAX = 30.0
SLOW_SECONDS = 0.6

Link = tuple[str, str]
"""From one machine to another: each direction by itself."""


@dataclass(slots=True)
class LinkConditions:
    """How bad the links are. Chances are of each message."""

    slow: float = 0.0
    lost: float = 0.0
    duplicated: float = 0.0
    reset: float = 0.0
    garbled: float = 0.0


class Machine:
    """Something that takes messages, if it is up and not frozen."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_up = False
        self.is_dark = False
        """Powered off: it does not even refuse."""
        self.is_frozen = False
        self.boot = 0
        self._thaw: list[Callable[[], None]] = []
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def when_thawed(self, work: Callable[[], None]) -> None:
        """Do it now, or when the machine goes on."""
        if self.is_frozen:
            self._thaw.append(work)
        else:
            work()

    async def wait_until_thawed(self) -> None:
        """Return when the machine goes on."""
        if self.is_frozen:
            thawed = asyncio.get_running_loop().create_future()
            self.when_thawed(lambda: thawed.done() or thawed.set_result(None))
            await thawed

    def freeze(self) -> None:
        """Nothing moves, and nothing is lost."""
        self.is_frozen = True

    def unfreeze(self) -> None:
        """Everything that waited happens at once."""
        self.is_frozen = False
        waiting, self._thaw = self._thaw, []
        for work in waiting:
            work()

    def go_on_with(self, work: Awaitable[Any]) -> asyncio.Task[Any]:
        """Have a task that ends with the machine's process."""
        task = asyncio.ensure_future(work)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        return task

    def power_was_cut(self) -> None:
        """Something that went on here found the machine off."""
        raise AssertionError(f"{self.name} has no disk that could tell")

    def end_process(self) -> None:
        """Everything that went on is over."""
        self.is_up = False
        self.is_frozen = False
        self.boot += 1
        self._thaw.clear()
        for task in tuple(self._tasks):
            task.cancel()


class Network:
    """Carries requests to machines and answers back."""

    def __init__(self, random: Random, report: Callable[[str], None]) -> None:
        self.random = random
        self.report = report
        """Is told of errors that no machine should have."""
        self.conditions = LinkConditions()
        self.bad_links: set[str] = set()
        """Machines whose links the weather is on."""
        self._cut: set[Link] = set()
        self._parked: list[tuple[Link, Callable[[], None]]] = []
        self.messages = 0

    def cut(self, *links: Link) -> None:
        """Nothing passes any more."""
        self._cut.update(links)

    def mend(self, *links: Link) -> None:
        """Everything passes again, and some of what waited in between arrives now."""
        self._cut.difference_update(links)
        parked, self._parked = self._parked, []
        for link, deliver in parked:
            if link in self._cut:
                self._parked.append((link, deliver))
            elif self.random.random() < 0.5:
                deliver()

    def mend_all(self) -> None:
        """The weather is fine everywhere."""
        self.conditions = LinkConditions()
        self.bad_links.clear()
        self.mend(*tuple(self._cut))

    def is_cut(self, source: str, target: str) -> bool:
        """Whether nothing passes in this direction."""
        return (source, target) in self._cut

    def happens(self, rng: float, link: Link) -> bool:
        """Whether the weather strikes this time."""
        return rng > 0.0 and not self.bad_links.isdisjoint(link) and self.random.random() < rng

    def latency_seconds(self, link: Link) -> float:
        """How long one message takes."""
        slow = SLOW_SECONDS if self.happens(self.conditions.slow, link) else 0.0005
        return self.random.random() * slow + 0.0002

    async def ask(
        self,
        source: Machine,
        target: Machine,
        work: Callable[[], Any],
        *,
        timeout_seconds: float | None,
        only_once: bool = False,
    ) -> Any:
        """Have a machine do something, and its answer.

        `work` may give a value or a coroutine. Errors come as they would over the wire.

        Raises:
            Unreachable: No answer came; whether it was done is not known.
        """
        exchange = _Exchange(self, source, target, work)
        seconds = SILENCE_SECONDS_MAX if timeout_seconds is None else timeout_seconds
        loop = asyncio.get_running_loop()
        expiry = loop.call_later(
            min(seconds, SILENCE_SECONDS_MAX), exchange.fail, "did not answer in time"
        )
        exchange.send(only_once=only_once)
        try:
            return await exchange.answer
        finally:
            expiry.cancel()

    def carry(self, link: Link, deliver: Callable[[], None], *, is_answer: bool) -> bool:
        """Take a message to the other end; False if it can never arrive."""
        self.messages += 1
        if link in self._cut:
            if is_answer or self.random.random() < 0.5:
                self._parked.append((link, deliver))
                return True
            return False
        if self.happens(self.conditions.lost, link):
            return False
        asyncio.get_running_loop().call_later(self.latency_seconds(link), deliver)
        return True


class _Exchange:
    """One request and its answer."""

    def __init__(
        self, network: Network, source: Machine, target: Machine, work: Callable[[], Any]
    ) -> None:
        self.answer = asyncio.get_running_loop().create_future()
        self._network = network
        self._source = source
        self._target = target
        self._work = work
        self._link = (source.name, target.name)
        self._boot = target.boot

    def send(self, *, only_once: bool) -> None:
        """Let the request go."""
        network = self._network
        is_duplicated = network.happens(network.conditions.duplicated, self._link)
        times = 2 if is_duplicated and not only_once else 1
        for _ in range(times):
            if not network.carry(self._link, self._arrive, is_answer=False):
                loop = asyncio.get_running_loop()
                loop.call_later(CONNECT_SECONDS, self.fail, "cannot be connected to")

    def fail(self, why: str) -> None:
        """No answer will come any more."""
        if not self.answer.done():
            self.answer.set_exception(Unreachable(f"{self._target.name} {why}"))

    def _arrive(self) -> None:
        target = self._target
        if target.is_dark:
            return
        if not target.is_up or target.boot != self._boot:
            self.fail("refuses connections")
            return
        target.when_thawed(self._do)

    def _do(self) -> None:
        if self._target.boot != self._boot:
            return
        try:
            result = self._work()
        except PowerLost:
            self._target.power_was_cut()
            return
        except Exception as error:  # noqa: BLE001 - it is for whoever asked
            self._answer_with(error)
            return
        if asyncio.iscoroutine(result):
            task = self._target.go_on_with(result)
            task.add_done_callback(self._has_ended)
        else:
            self._answer_with(result)

    def _has_ended(self, task: "asyncio.Task[Any]") -> None:
        if task.cancelled():
            self.fail("broke the connection")
            return
        error = task.exception()
        if isinstance(error, PowerLost):
            self._target.power_was_cut()
            return
        self._answer_with(error if error is not None else task.result())

    def _answer_with(self, what: Any) -> None:
        network, link = self._network, (self._target.name, self._source.name)
        if network.happens(network.conditions.reset, link):
            what = ConnectionResetError("connection reset")

        def arrive() -> None:
            if self.answer.done():
                return
            if isinstance(what, BaseException):
                self.answer.set_exception(self._over_the_wire(what))
            else:
                self.answer.set_result(what)

        self._target.when_thawed(lambda: network.carry(link, arrive, is_answer=True))

    def _over_the_wire(self, error: BaseException) -> NodeError:
        """An error of a node as its client sees it."""
        name = self._target.name
        if isinstance(error, NodeError):
            return parse_error(*render_error(error))
        if isinstance(error, ConnectionError):
            return Unreachable(f"{name}: {error}")
        if not isinstance(error, OSError):
            self._network.report(f"{name} broke: {error!r}")
        return NodeError(f"{name}: {error!r}")
