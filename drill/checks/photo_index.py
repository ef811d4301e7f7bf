"""Index of a history by photo: when it was acknowledged, with which bytes, and its removals.

Pure. A revocation removes one version and acknowledges the next.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from drill.history import Op, Operation, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A version that the cluster acknowledged."""

    reference: str
    """VOLUME/PHOTO/VERSION."""
    key: str
    path: str
    """Path of the original."""
    digest: str
    taken_by: str
    """The storagemaster that acknowledged it."""
    durability: str
    """Durability in its receipt; empty for a revocation."""

    @property
    def photo(self) -> str:
        """VOLUME/PHOTO."""
        return photo_of(self.reference)


@dataclass(slots=True)
class PhotoIndex:
    """A history, by photo."""

    operations: tuple[Operation, ...]
    promises: dict[str, Promise] = field(default_factory=dict)
    """By reference."""
    sent: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The digests that a path may have, by path."""
    known_since_ns: dict[str, int] = field(default_factory=dict)
    """When the cluster first reported each path."""
    reference_of_path: dict[str, str] = field(default_factory=dict)
    _removals: dict[str, list[Operation]] = field(default_factory=lambda: defaultdict(list))
    """By the photo or version to remove."""

    def removals(self, reference: str) -> list[Operation]:
        """Return all deletes and revocations of a version except the rejected ones."""
        return self._removals[reference] + self._removals[photo_of(reference)]

    def is_removal_requested(self, reference: str) -> bool:
        """Return True if a client ever requested its removal."""
        return bool(self.removals(reference))

    def is_removal_requested_before(self, reference: str, ns: int) -> bool:
        """Return True if a client requested its removal before a time."""
        return any(each.invoke_ns < ns for each in self.removals(reference))

    def removed_by(self, reference: str) -> Operation | None:
        """Return the first acknowledged delete or revocation of a version, or None."""
        done = [each for each in self.removals(reference) if each.outcome is Outcome.OK]
        return min(done, key=lambda each: each.complete_ns, default=None)

    def kept(self) -> Iterator[Promise]:
        """Yield the promises without any request for removal."""
        return (p for p in self.promises.values() if not self.is_removal_requested(p.reference))

    def ended(self) -> Iterator[tuple[Promise, Operation]]:
        """Yield each removed promise with its first acknowledged removal."""
        for promise in self.promises.values():
            removal = self.removed_by(promise.reference)
            if removal is not None:
                yield promise, removal

    def select(self, op: Op, *outcomes: Outcome) -> Iterator[Operation]:
        """Yield the operations of one kind with one of these outcomes, or with any."""
        for each in self.operations:
            if each.op is op and (not outcomes or each.outcome in outcomes):
                yield each


def index_history(operations: Iterable[Operation]) -> PhotoIndex:
    """Return the index of a history."""
    index = PhotoIndex(tuple(sorted(operations, key=lambda each: each.complete_ns)))
    for each in index.operations:
        match each.op, each.outcome:
            case Op.PUT, Outcome.OK:
                _promise(index, each, each.photo)
            case Op.SIZES, Outcome.OK:
                _may_be_read(index, each.path, each)
            case ((Op.DELETE | Op.REVOKE), (Outcome.OK | Outcome.INFO)):
                index._removals[each.photo].append(each)  # noqa: SLF001  # this function builds the index
                if each.new_photo:
                    _promise(index, each, each.new_photo)
            case _:
                pass
    return index


def photo_of(reference: str) -> str:
    """Return the photo of a version: VOLUME/PHOTO.

    >>> photo_of("7/01jd3x8m2c9qp4k7/3fz8qd")
    '7/01jd3x8m2c9qp4k7'
    """
    return "/".join(reference.split("/")[:2])


def _promise(index: PhotoIndex, each: Operation, reference: str) -> None:
    index.promises.setdefault(
        reference,
        Promise(
            reference=reference,
            key=each.key,
            path=each.path,
            digest=each.digest,
            taken_by=each.edge,
            durability=each.durability,
        ),
    )
    _may_be_read(index, each.path, each, reference)


def _may_be_read(index: PhotoIndex, path: str, each: Operation, reference: str = "") -> None:
    index.sent[path].add(each.digest)
    index.known_since_ns.setdefault(path, each.complete_ns)
    index.reference_of_path.setdefault(path, reference or each.photo)
