"""Bugs of the plans of moves."""

from tests.planted.finders import Tests
from tests.planted.planted_bug import PlantedBug
from volumes.map import plan
from volumes.map.balance import ColoBalance
from volumes.map.loads import Loads
from volumes.map.relocation import Relocation

PLANS = Tests("tests/volumes/map/test_plan.py")


def puts_both_mirrors_into_one_colo(patch):
    """Allow every colo to a volume that leaves a node."""

    def target(self, number, source):
        entries = [next(self._possible(colo, number, source), None) for colo in self._colos]
        return min(entry for entry in entries if entry)[1]

    patch.setattr(Relocation, "_target", target)


def counts_free_space_once_for_each_move(patch):
    """Forget the moves that are planned already."""

    def space_left(self, node):
        space = self._measured.space_of.get(node)
        return space.usable_bytes if space else 0

    patch.setattr(Loads, "space_left", space_left)


def balances_to_and_fro(patch):
    """Move volumes that are larger than the difference of two nodes."""

    def volume_for(self, source, target):
        entries = self._by_size[source]
        self.planned = getattr(self, "planned", 0) + 1
        homes_of, has_space = self._loads.homes_of, self._loads.has_space
        free = [e for e in entries if target not in homes_of(e[1]) and has_space(target, e[1])]
        return free[-1] if free and self.planned < 40 else None

    patch.setattr(ColoBalance, "_volume_for", volume_for)


def plans_volumes_that_move_already(patch):
    """See no obstacle but lost mirrors."""
    hindrance = Loads.hindrance

    def without_moves(self, volume, source):
        found = hindrance(self, volume, source)
        return None if found is plan.Hindrance.UNDER_WAY else found

    patch.setattr(Loads, "hindrance", without_moves)


def starts_every_move_at_once(patch):
    """Raise the limit of volumes that join a node."""
    patch.setattr(plan, "JOINING_PER_NODE_MAX", 1_000)


def ignores_weights(patch):
    """Give each node the share of its disk."""

    def share_of(self, node):
        space = self._measured.space_of.get(node)
        return 0.0 if space is None or self.is_leaving(node) else float(space.total_bytes)

    patch.setattr(Loads, "share_of", share_of)


BUGS_OF_MOVES = tuple(
    PlantedBug(what=what, plant=plant, found_by=PLANS)
    for what, plant in (
        ("a plan puts both mirrors into one colo", puts_both_mirrors_into_one_colo),
        ("a plan fills a node beyond its reserve", counts_free_space_once_for_each_move),
        ("a balance moves volumes to and fro", balances_to_and_fro),
        ("a plan moves a volume that moves already", plans_volumes_that_move_already),
        ("a plan fills a node from all others at once", starts_every_move_at_once),
        ("a plan ignores the weights of nodes", ignores_weights),
    )
)
