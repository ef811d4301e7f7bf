"""Rules for a cluster at rest: what must be on every node, and in no cache, when all is healed."""

from collections import defaultdict
from collections.abc import Iterator

from drill.checks.final_state import FinalState
from drill.checks.photo_index import photo_of
from drill.checks.verdict import REPAIR_RATIO_MAX, Case, Finding
from drill.history import Op, Outcome
from volumes.photo_path import (
    Failure,
    Info,
    InvalidPath,
    PhotoTombstone,
    Variant,
    parse_path,
    parse_photo_version,
    render_path,
    tombstone_paths,
)


def kept(case: Case, finding: Finding) -> None:
    """C4: every acknowledged photo that nobody asked to be gone is the same on every mirror."""
    files = _files_by_version(case.state)
    for promise in case.index.kept():
        finding.count()
        for path in sorted(files.get(promise.reference, set()) | {promise.path}):
            holders = case.state.holders(path)
            digests = {held.digest for held in holders.values()}
            if lacking := case.state.lacking(path):
                finding.add_violation(f"{path} is not on {', '.join(lacking)}", promise.reference)
            elif len(digests) > 1:
                finding.add_violation(f"{path} differs between its mirrors", promise.reference)
            elif path == promise.path and digests != {promise.digest}:
                finding.add_violation(f"{path} is not what was uploaded", promise.reference)


def gone(case: Case, finding: Finding) -> None:
    """C5: what was removed is on no node, not as a note either, and no server has it."""
    files = _files_by_version(case.state)
    removed = {promise.reference for promise, _ in case.index.ended()}
    finding.count(len(removed))
    for reference in sorted(removed):
        for path in sorted(files.get(reference, ())):
            for node in _nodes_with(case.state, path):
                finding.add_violation(f"{path} is on {node}", reference)
        if tombstone := _missing_tombstone(case.state, reference):
            finding.add_violation(f"no tombstone on {', '.join(tombstone)}", reference)
    for path, answers in case.state.answers.items():
        reference = _reference_of(path)
        if reference in removed:
            for server, answer in answers.items():
                if answer.status == 200:
                    finding.add_violation(f"{server} serves {path}", reference)


def all_or_nothing(case: Case, finding: Finding) -> None:
    """C6: an upload or a removal without an answer is on all mirrors, or on none."""
    paths = _originals_by_digest(case.state)
    acknowledged = {promise.key for promise in case.index.promises.values()}
    for put in case.index.photo_version(Op.PUT, Outcome.INFO):
        if put.key in acknowledged:
            continue
        finding.count()
        for path in paths.get(put.digest, ()):
            if lacking := case.state.lacking(path):
                finding.add_violation(
                    f"{path} was not answered, and is not on {', '.join(lacking)}"
                )
    for removal in (each for op in (Op.DELETE, Op.REVOKE) for each in case.index.photo_version(op)):
        references = _versions_of(case, removal.photo) if removal.outcome is Outcome.INFO else ()
        for reference in references:
            finding.count()
            lacking = _missing_tombstone(case.state, reference)
            if lacking and case.state.is_deleted(reference):
                finding.add_violation(f"its tombstone is not on {', '.join(lacking)}", reference)


def nothing_left_over(case: Case, finding: Finding) -> None:
    """C7: nothing is staged or owed, and only what a fault made corrupt is in quarantine."""
    finding.count()
    for leftover in case.state.leftovers:
        finding.add_violation(f"left over: {leftover}")
    if case.state.quarantined > case.terms.quarantined_max:
        finding.add_violation(
            f"{case.state.quarantined} files are in quarantine, and the faults explain "
            f"{case.terms.quarantined_max}"
        )


def infos_agree(case: Case, finding: Finding) -> None:
    """C8: what an info document names is there with its digest; bytes hash to what is noted."""
    for reference, named in case.state.infos.items():
        if case.state.is_deleted(reference):
            continue
        for path, digest in named.items():
            finding.count()
            if case.state.lacking(path):
                finding.add_violation(f"the info names {path}, which a mirror lacks", reference)
            elif {h.digest for h in case.state.holders(path).values()} != {digest}:
                finding.add_violation(f"{path} is not what the info says", reference)
    for node, files in case.state.files.items():
        for path, held in files.items():
            finding.count()
            if held.noted != held.digest:
                said = f"is noted as {held.noted[:12]}" if held.noted else "has no digest noted"
                finding.add_violation(f"{path} on {node} hashes to {held.digest[:12]} and {said}")


def same_headers(case: Case, finding: Finding) -> None:
    """C9: every server that has a photo says the same of it, to the second and to the byte."""
    for path, answers in case.state.answers.items():
        good = {server: answer for server, answer in answers.items() if answer.status == 200}
        finding.count(len(good))
        if len({(answer.identity, answer.digest) for answer in good.values()}) > 1:
            said = "; ".join(f"{s}: {' '.join(a.identity)}" for s, a in sorted(good.items()))
            finding.add_violation(f"{path} differs: {said}")


def unique(case: Case, finding: Finding) -> None:
    """C10: one key never has two photos, and one path never two contents."""
    paths = _originals_by_digest(case.state)
    photos: dict[str, set[str]] = defaultdict(set)
    digests: dict[str, set[str]] = defaultdict(set)
    for put in case.index.photo_version(Op.PUT):
        digests[put.key].add(put.digest)
        if put.outcome is Outcome.OK:
            photos[put.key].add(photo_of(put.photo))
    for key, sent in digests.items():
        finding.count()
        stored = {
            photo_of(_reference_of(path)) for digest in sent for path in paths.get(digest, ())
        }
        if len(photos[key] | stored) > 1:
            finding.add_violation(f"key {key} has photos {', '.join(sorted(photos[key] | stored))}")
    contents: dict[str, set[str]] = defaultdict(set)
    for files in case.state.files.values():
        for path, held in files.items():
            if isinstance(parse_path(path), Variant):
                contents[path].add(held.digest)
    for path, found in contents.items():
        if len(found) > 1:
            finding.add_violation(f"{path} has {len(found)} contents")


def processed(case: Case, finding: Finding) -> None:
    """C11: every acknowledged photo has an info document, or a note why it has none."""
    for promise in case.index.kept():
        finding.count()
        photo_version = parse_photo_version(promise.reference)
        if not any(
            case.state.holders(render_path(note))
            for note in (Info(photo_version), Failure(photo_version))
        ):
            finding.add_violation("has neither sizes nor a reason", promise.reference)


def converged(case: Case, finding: Finding) -> None:
    """C14: the mirrors were equal, and nothing was owed, within the bound."""
    finding.count()
    took = case.terms.converged_seconds
    if took is None or took > case.terms.converge_seconds_max:
        said = "not at all" if took is None else f"after {took:.1f} s"
        finding.add_violation(
            f"converged {said}; {case.terms.converge_seconds_max:.0f} s are the bound"
        )


def repair_traffic_bounded(case: Case, finding: Finding) -> None:
    """C15: the nodes did not send much more than was missing."""
    finding.count()
    terms = case.terms
    allowed = REPAIR_RATIO_MAX * terms.missing_bytes + terms.listing_bytes
    if terms.moved_bytes > allowed:
        finding.add_violation(
            f"nodes sent {terms.moved_bytes:,} bytes when {terms.missing_bytes:,} were missing"
        )


def _files_by_version(state: FinalState) -> dict[str, set[str]]:
    """The paths of each version's files on any node, its tombstones left out."""
    found: dict[str, set[str]] = defaultdict(set)
    for files in state.files.values():
        for path in files:
            if not path.endswith(".gone"):
                found[_reference_of(path)].add(path)
    return found


def _originals_by_digest(state: FinalState) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for files in state.files.values():
        for path, held in files.items():
            file = parse_path(path)
            if isinstance(file, Variant) and file.is_original:
                found[held.digest].add(path)
    return found


def _versions_of(case: Case, removed: str) -> Iterator[str]:
    """The promised versions that a removal is about: one, or all of a photo."""
    return (r for r in case.index.promises if removed in {r, photo_of(r)})


def _missing_tombstone(state: FinalState, reference: str) -> tuple[str, ...]:
    """The mirrors that do not know that a version is gone."""
    photo, version = tombstone_paths(parse_photo_version(reference))
    return tuple(set(state.lacking(version)) & set(state.lacking(photo)))


def _nodes_with(state: FinalState, path: str) -> list[str]:
    return [node for node, files in state.files.items() if path in files]


def _reference_of(path: str) -> str:
    """VOLUME/PHOTO/VERSION of a path; of a photo's tombstone, VOLUME/PHOTO."""
    try:
        file = parse_path(path)
    except InvalidPath:
        return ""
    return (
        f"{file.volume}/{file.photo}"
        if isinstance(file, PhotoTombstone)
        else str(file.photo_version)
    )
