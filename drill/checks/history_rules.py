"""Rules that a history breaks by itself: what the load was answered, and when."""

from drill.checks.verdict import GONE_AFTER_HEAL_SECONDS_MAX, GONE_SECONDS_MAX, Case, Finding
from drill.history import SECOND, Op, Operation, Outcome

NOT_THERE = (404, 410)
FORGIVEN_READS = 3
DEGRADED = "degraded"
"""What a receipt says of two copies in one colo."""


def right_bytes(case: Case, finding: Finding) -> None:
    """C1: a 200 has the bytes of an upload under its path: none partial, mixed, foreign or bad."""
    for get in _bodies(case):
        finding.count()
        sent = case.index.sent.get(get.path, set())
        if get.digest not in sent:
            finding.add_violation(f"{get.edge} sent other bytes for {get.path}: {get.digest[:12]}")


def gone_in_time(case: Case, finding: Finding) -> None:
    """C2: no 200 past the bound after a removal was acknowledged."""
    for get in _bodies(case):
        reference = case.index.reference_of_path.get(get.path, "")
        removal = case.index.removed_by(reference)
        if removal is None or get.invoke_ns < removal.complete_ns:
            continue
        finding.count()
        if get.invoke_ns > _gone_at_ns(case, removal, get.edge):
            late = (get.invoke_ns - removal.complete_ns) / SECOND
            finding.add_violation(
                f"{get.edge} served {get.path} {late:.1f} s after its removal", reference
            )


def _gone_at_ns(case: Case, removal: Operation, edge: str) -> int:
    """From when on a server may not serve what was removed."""
    if removal.pending_mirrors or edge in removal.purge_pending:
        since = max(removal.complete_ns, case.terms.healed_ns)
        return since + int(GONE_AFTER_HEAL_SECONDS_MAX * SECOND)
    return removal.complete_ns + int(GONE_SECONDS_MAX * SECOND)


def never_denied(case: Case, finding: Finding) -> None:
    """C3: no 404 and no 410 for what was acknowledged, and nobody asked to be gone."""
    for get in _reads_of_promised(case):
        finding.count()
        if get.status in NOT_THERE:
            finding.add_violation(f"{get.edge} said {get.status} to {get.path}", get.photo)


def readable(case: Case, finding: Finding) -> None:
    """C12: of reads while the faults last, through edges they spare, enough succeed.

    Some more are forgiven: in a short drill a few hiccups are a per cent. Those that failed when
    the machine stood still do not count. What was taken by one colo alone, and said so, is out of
    reach of the other's edges while they are apart.
    """
    terms = case.terms
    reads = [
        get
        for get in _reads_of_promised(case)
        if get.edge in terms.unaffected_edges
        and terms.began_ns <= get.invoke_ns <= terms.healed_ns
        and not _is_out_of_reach(case, get)
        and (_is_read(get) or not _is_excused(case, get))
    ]
    finding.count(len(reads))
    failed = [get for get in reads if not _is_read(get)]
    if len(failed) > (1 - terms.read_success_min) * len(reads) + FORGIVEN_READS:
        said = sorted({f"{get.edge}: {get.status or get.error}" for get in failed})
        finding.add_violation(
            f"{len(failed)} of {len(reads)} reads failed, and {terms.read_success_min:.1%} "
            f"were to succeed: {'; '.join(said)}"
        )


def permitted(case: Case, finding: Finding) -> None:
    """C13: no 200 for a URL that the verifier refuses."""
    for get in case.index.photo_version(Op.GET):
        if not get.permitted:
            finding.count()
            if get.status == 200:
                finding.add_violation(f"{get.edge} served {get.path} without a permission")


def _is_out_of_reach(case: Case, get: Operation) -> bool:
    """Whether both copies were promised to be in a colo that the edge is kept apart from."""
    promise = case.index.promises.get(case.index.reference_of_path.get(get.path, ""))
    colo_of = case.terms.colo_of
    return (
        promise is not None
        and promise.durability == DEGRADED
        and colo_of.get(promise.taken_by) != colo_of.get(get.edge)
    )


def _is_excused(case: Case, get: Operation) -> bool:
    """Whether the machine stood still then, or just before."""
    return any(s.may_have_failed(get.invoke_ns, get.complete_ns) for s in case.terms.stalls)


def _bodies(case: Case) -> list[Operation]:
    """Reads that were answered with a whole body."""
    return [get for get in case.index.photo_version(Op.GET, Outcome.OK) if get.status == 200]


def _reads_of_promised(case: Case) -> list[Operation]:
    """Permitted reads of what was acknowledged before, and nobody asked to be gone by their end."""
    index = case.index
    return [
        get
        for get in index.photo_version(Op.GET)
        if get.permitted
        and get.path in index.known_since_ns
        and index.known_since_ns[get.path] <= get.invoke_ns
        and not index.is_removal_asked_before(index.reference_of_path[get.path], get.complete_ns)
    ]


def _is_read(get: Operation) -> bool:
    return get.outcome is Outcome.OK and get.status == 200
