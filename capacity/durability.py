"""Losses of photos in many simulated years of failing disks and colos.

A volume is lost when the last of its copies is lost before another one is complete. Repair fills
replaced disks, volumes with the fewest copies first, and waits while a colo is unreachable. A
volume that is being copied counts as not copied.
"""

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from capacity.rebuild import Rebuild
from capacity.scenario import Scenario
from storagemaster.repair.danger import by_danger
from volumes.cluster import Cluster, Colo, NodeId
from volumes.photo_path import VolumeId

YEAR_SECONDS = 365.25 * 86_400
# Two-sided, 95 %.
_NORMAL_QUANTILE = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over simulated years, and the limits of its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Durability:
    """Losses in a year."""

    years: int
    years_with_loss: int
    chance_of_loss: Estimate
    """Chance that any photo is lost in a year."""
    lost_share: Estimate
    """Share of all photos that is lost in a year."""


@dataclass(slots=True)
class _Replaced:
    """A disk that is being filled: its volumes without a copy, the next one last."""

    ready_at: float
    volumes: list[VolumeId]
    progress: float = 0.0
    """Copied part of the next volume."""


@dataclass(slots=True)
class _Years:
    """The state of the disks in one long sequence of years."""

    scenario: Scenario
    cluster: Cluster
    rebuild: Rebuild
    rng: random.Random
    volumes_on: Mapping[NodeId, tuple[VolumeId, ...]]
    replaced: dict[NodeId, _Replaced] = field(default_factory=dict)
    copies: dict[VolumeId, int] = field(default_factory=dict)
    """Copies of the volumes that do not have all of them."""

    def lose(self, nodes: list[NodeId], now: float, waits: float) -> int:
        """Lose the disks of nodes; return the number of volumes that are lost with them."""
        lost = 0
        for node in nodes:
            before = self.replaced.get(node)
            missing = set(before.volumes) if before else set()
            for volume in self.volumes_on[node]:
                if volume in missing:
                    continue
                left = self.copies.get(volume, self.scenario.mirrors) - 1
                self.copies[volume] = left
                if left == 0:
                    lost += 1
                    self._forget(volume)
            kept = [volume for volume in self.volumes_on[node] if volume in self.copies]
            self.replaced[node] = _Replaced(now + waits, kept)
        for each in self.replaced.values():
            # The next volume is the last of the list.
            each.volumes = by_danger(each.volumes, self.copies.__getitem__)[::-1]
            each.progress = 0.0
        return lost

    def heals_alone(self, disks: int, seconds: float, waits: float) -> bool:
        """Return True if no other disk is lost before these are full again.

        Nothing is lost then: the mirrors of a volume are in different colos.
        """
        return not self.replaced and waits + self.rebuild.seconds_of(disks) < seconds

    def waits_seconds(self) -> float:
        """Return the time until a lost disk is replaced, and in which outages stop its repair."""
        seconds = self.scenario.replace_hours * 3600
        outages = self.scenario.colo_outages_per_year * self.scenario.colos
        mean = outages * (seconds + self.rebuild.node_seconds) / YEAR_SECONDS
        return seconds + _poisson(mean, self.rng) * self.scenario.outage_hours * 3600

    def advance(self, begin: float, end: float) -> None:
        """Fill disks for some time."""
        while begin < end and self.replaced:
            ready = [each for each in self.replaced.values() if each.ready_at <= begin]
            waiting = [each.ready_at for each in self.replaced.values() if each.ready_at > begin]
            until = min([end, *waiting])
            if ready:
                until = min(until, begin + self._seconds_to_next_end(ready))
                self._copy(ready, until - begin)
            begin = until

    def _seconds_per_volume(self, disks: int) -> float:
        return self.rebuild.seconds_of(disks) / self.scenario.volumes_per_node

    def _seconds_to_next_end(self, ready: list[_Replaced]) -> float:
        least = min(len(each.volumes) - each.progress for each in ready)
        # A moment more, so that rounding never leaves a part of a volume.
        return max(least, 0.0) * self._seconds_per_volume(len(ready)) + 1.0

    def _copy(self, ready: list[_Replaced], seconds: float) -> None:
        copied = seconds / self._seconds_per_volume(len(ready))
        for each in ready:
            each.progress += copied
            while each.progress >= 1.0 and each.volumes:
                each.progress -= 1.0
                volume = each.volumes.pop()
                self.copies[volume] += 1
                if self.copies[volume] == self.scenario.mirrors:
                    del self.copies[volume]
        for node in [node for node, each in self.replaced.items() if not each.volumes]:
            del self.replaced[node]

    def _forget(self, volume: VolumeId) -> None:
        """Start again without the photos of a lost volume."""
        del self.copies[volume]
        for each in self.replaced.values():
            if volume in each.volumes:
                each.volumes.remove(volume)


def simulate_losses(scenario: Scenario, cluster: Cluster, rebuild: Rebuild) -> Durability:
    """Return the losses of a cluster, simulated with the scenario's seed."""
    rng = random.Random(scenario.seed)  # noqa: S311  # no secret
    volumes_on: dict[NodeId, list[VolumeId]] = {node: [] for node in cluster.nodes}
    for volume in cluster.volumes.values():
        for node in volume.mirrors:
            volumes_on[node].append(volume.number)
    years = _Years(
        scenario, cluster, rebuild, rng, {node: tuple(each) for node, each in volumes_on.items()}
    )
    lost_by_year: dict[int, int] = {}
    now = 0.0
    failures = itertools.chain(_failures(scenario, cluster, rng), [(math.inf, [])])
    for (at, nodes), (next_at, _) in itertools.pairwise(failures):
        years.advance(now, at)
        now, waits = at, years.waits_seconds()
        if years.heals_alone(len(nodes), next_at - at, waits):
            continue
        if lost := years.lose(nodes, now, waits):
            year = int(now / YEAR_SECONDS)
            lost_by_year[year] = lost_by_year.get(year, 0) + lost
    return _durability(scenario, list(lost_by_year.values()))


def _failures(
    scenario: Scenario, cluster: Cluster, rng: random.Random
) -> Iterator[tuple[float, list[NodeId]]]:
    """Yield the time of each failure, and the nodes whose disks it destroys."""
    nodes, colo_ids = list(cluster.nodes), cluster.colos
    of_colo: dict[Colo, list[NodeId]] = {colo: [] for colo in colo_ids}
    for node in cluster.nodes.values():
        of_colo[node.colo].append(node.id)
    disks = -math.log1p(-scenario.disk_losses_per_year) * len(nodes)
    colos = scenario.colo_losses_per_year * scenario.colos
    now = 0.0
    while True:
        now += rng.expovariate(disks + colos) * YEAR_SECONDS
        if now >= scenario.years * YEAR_SECONDS:
            return
        if rng.random() * (disks + colos) < disks:
            yield now, [rng.choice(nodes)]
        else:
            yield now, of_colo[rng.choice(colo_ids)]


def _durability(scenario: Scenario, losses: list[int]) -> Durability:
    years = scenario.years
    shares = [lost / scenario.volumes for lost in losses]
    mean = sum(shares) / years
    variance = sum(share * share for share in shares) / years - mean * mean
    error = _NORMAL_QUANTILE * math.sqrt(max(variance, 0.0) / years)
    chance = _wilson(len(losses), years)
    # Without any loss, the share is bounded by the chance of one.
    high = mean + error if losses else chance.high / scenario.volumes
    return Durability(
        years=years,
        years_with_loss=len(losses),
        chance_of_loss=chance,
        lost_share=Estimate(mean=mean, low=max(mean - error, 0.0), high=high),
    )


def _wilson(hits: int, trials: int) -> Estimate:
    """Return the share of hits with the interval of Wilson (1927), which is valid for few hits."""
    square = _NORMAL_QUANTILE**2
    share = hits / trials
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    spread = share * (1 - share) / trials + square / (4 * trials * trials)
    half = _NORMAL_QUANTILE * math.sqrt(spread) / (1 + square / trials)
    low = max(middle - half, 0.0) if hits else 0.0
    return Estimate(mean=share, low=low, high=min(middle + half, 1.0))


def _poisson(mean: float, rng: random.Random) -> int:
    """Return a number of events (Knuth 1969)."""
    count, product, limit = 0, rng.random(), math.exp(-min(mean, 700.0))
    while product > limit:
        count += 1
        product *= rng.random()
    return count
