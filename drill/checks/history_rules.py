"""Rules over a history alone: the responses to the load, and their times."""

from drill.checks.verdict import GONE_AFTER_HEAL_SECONDS_MAX, GONE_SECONDS_MAX, Case, Finding
from drill.history import SECOND, Op, Operation, Outcome

NOT_FOUND_STATUSES = (404, 410)
FORGIVEN_READS = 3
DEGRADED = "degraded"
"""Durability in a receipt if both copies are in one colo."""


def right_bytes(case: Case, finding: Finding) -> None:
    """C1: every 200 and every stored original has the bytes of an upload, complete and unmixed."""
    for get in _bodies(case):
        finding.count()
        sent = case.index.sent.get(get.path, set())
        if get.digest not in sent:
            finding.add_violation(f"{get.edge} sent other bytes for {get.path}: {get.digest[:12]}")
    uploaded = {put.digest for put in case.index.select(Op.PUT)}
    for digest, paths in case.state.originals().items():
        finding.count()
        if digest not in uploaded:
            finding.add_violation(f"no client uploaded the bytes of {', '.join(sorted(paths))}")


def gone_in_time(case: Case, finding: Finding) -> None:
    """C2: no 200 after the bound of an acknowledged removal."""
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
    """Return the end of the time in which a server may still serve a removed photo."""
    if removal.pending_mirrors or edge in removal.purge_pending:
        since = max(removal.complete_ns, case.criteria.healed_ns)
        return since + int(GONE_AFTER_HEAL_SECONDS_MAX * SECOND)
    return removal.complete_ns + int(GONE_SECONDS_MAX * SECOND)


def never_denied(case: Case, finding: Finding) -> None:
    """C3: no 404 or 410 for an acknowledged photo without any request for removal."""
    for get in _reads_of_promised(case):
        finding.count()
        if get.status in NOT_FOUND_STATUSES:
            finding.add_violation(f"{get.edge} returned {get.status} for {get.path}", get.photo)


def readable(case: Case, finding: Finding) -> None:
    """C12: enough reads succeed at edges that the faults do not affect, while the faults last.

    `FORGIVEN_READS` more failures are allowed: in a short run a few of them exceed the share.
    Failures during a stall of the machine do not count. Photos that one colo stored alone, as their
    receipts say, do not count at the other colo's edges while the colos are partitioned.
    """
    criteria = case.criteria
    reads = [
        get
        for get in _reads_of_promised(case)
        if get.edge in criteria.unaffected_edges
        and criteria.began_ns <= get.invoke_ns <= criteria.healed_ns
        and not _is_out_of_reach(case, get)
        and (_is_read(get) or not _is_excused(case, get))
    ]
    finding.count(len(reads))
    failed = [get for get in reads if not _is_read(get)]
    if len(failed) > (1 - criteria.read_success_min) * len(reads) + FORGIVEN_READS:
        failures = sorted({f"{get.edge}: {get.status or get.error}" for get in failed})
        finding.add_violation(
            f"{len(failed)} of {len(reads)} reads failed; at least {criteria.read_success_min:.1%} "
            f"must succeed: {'; '.join(failures)}"
        )


def permitted(case: Case, finding: Finding) -> None:
    """C13: no 200 for a URL that the verifier rejects."""
    for get in case.index.select(Op.GET):
        if not get.permitted:
            finding.count()
            if get.status == 200:
                finding.add_violation(f"{get.edge} served {get.path} without a permission")


def _is_out_of_reach(case: Case, get: Operation) -> bool:
    """Return True if both copies are in a colo that is partitioned from the edge's colo."""
    promise = case.index.promises.get(case.index.reference_of_path.get(get.path, ""))
    colo_of = case.criteria.colo_of
    return (
        promise is not None
        and promise.durability == DEGRADED
        and colo_of.get(promise.taken_by) != colo_of.get(get.edge)
    )


def _is_excused(case: Case, get: Operation) -> bool:
    """Return True if the machine stalled during the read or shortly before it."""
    return any(s.may_have_failed(get.invoke_ns, get.complete_ns) for s in case.criteria.stalls)


def _bodies(case: Case) -> list[Operation]:
    """Return the reads with status 200 and a complete body."""
    return [get for get in case.index.select(Op.GET, Outcome.OK) if get.status == 200]


def _reads_of_promised(case: Case) -> list[Operation]:
    """Return the permitted reads of acknowledged photos that no client had removed by their end."""
    index = case.index
    return [
        get
        for get in index.select(Op.GET)
        if get.permitted
        and get.path in index.known_since_ns
        and index.known_since_ns[get.path] <= get.invoke_ns
        and not index.is_removal_requested_before(
            index.reference_of_path[get.path], get.complete_ns
        )
    ]


def _is_read(get: Operation) -> bool:
    return get.outcome is Outcome.OK and get.status == 200
