"""Rules over the final state: the files on every node, and the responses of every server."""

from collections import defaultdict

from drill.checks.final_state import FinalState
from drill.checks.photo_index import photo_of
from drill.checks.verdict import REPAIR_RATIO_MAX, Case, Finding
from drill.history import Op, Operation, Outcome
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
    """C4: every acknowledged photo without a request for removal is equal on every mirror."""
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
    """C5: a deleted version has no file on any node, and no server returns it.

    A version is deleted if its removal was acknowledged, or if any mirror has its tombstone.
    """
    files = _files_by_version(case.state)
    deleted = {promise.reference for promise, _ in case.index.ended()}
    deleted |= {each for each in files if case.state.is_deleted(each)}
    finding.count(len(deleted))
    for reference in sorted(deleted):
        for path in sorted(files.get(reference, ())):
            for node in _nodes_with(case.state, path):
                finding.add_violation(f"{path} is on {node}", reference)
    for promise, removal in case.index.ended():
        if missing := _missing_tombstone(case.state, promise.reference, removal):
            finding.add_violation(f"no tombstone on {', '.join(missing)}", promise.reference)
    for path, responses in case.state.responses.items():
        reference = _reference_of(path)
        if reference in deleted:
            for server, response in responses.items():
                if response.status == 200:
                    finding.add_violation(f"{server} serves {path}", reference)


def mirrors_equal(case: Case, finding: Finding) -> None:
    """C6: every file is equal on all mirrors, also if its upload or delete had no response."""
    for path in sorted({path for files in case.state.files.values() for path in files}):
        finding.count()
        if lacking := case.state.lacking(path):
            finding.add_violation(f"{path} is not on {', '.join(lacking)}")
        elif case.state.differs(path):
            finding.add_violation(f"{path} differs between its mirrors")


def nothing_left_over(case: Case, finding: Finding) -> None:
    """C7: no hint and no staged file remains; only files that a fault damaged are quarantined."""
    finding.count()
    for leftover in case.state.leftovers:
        finding.add_violation(f"left over: {leftover}")
    if case.state.quarantined > case.criteria.quarantined_max:
        finding.add_violation(
            f"{case.state.quarantined} files are in quarantine, and the faults damaged "
            f"{case.criteria.quarantined_max}"
        )


def infos_agree(case: Case, finding: Finding) -> None:
    """C8: files match the digests in info documents and their recorded digests or proofs."""
    for reference, named in case.state.infos.items():
        if case.state.is_deleted(reference):
            continue
        for path, digest in named.items():
            finding.count()
            if case.state.lacking(path):
                finding.add_violation(f"the info names {path}, which a mirror lacks", reference)
            elif {h.digest for h in case.state.holders(path).values()} != {digest}:
                finding.add_violation(f"{path} is not what the info names", reference)
    for node, files in case.state.files.items():
        for path, held in files.items():
            finding.count()
            if not held.is_as_recorded(path):
                recorded = held.recorded[:12] or "nothing"
                finding.add_violation(
                    f"{path} on {node} hashes to {held.digest[:12]}, and {recorded} is recorded"
                )


def same_headers(case: Case, finding: Finding) -> None:
    """C9: every server that has a photo returns the same headers and bytes."""
    for path, responses in case.state.responses.items():
        good = {
            server: response for server, response in responses.items() if response.status == 200
        }
        finding.count(len(good))
        if len({(response.identity, response.digest) for response in good.values()}) > 1:
            headers = "; ".join(f"{s}: {' '.join(a.identity)}" for s, a in sorted(good.items()))
            finding.add_violation(f"{path} differs: {headers}")


def unique(case: Case, finding: Finding) -> None:
    """C10: a key never has two photos, and a path never has two contents."""
    paths = case.state.originals()
    photos: dict[str, set[str]] = defaultdict(set)
    digests: dict[str, set[str]] = defaultdict(set)
    for put in case.index.select(Op.PUT):
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
    """C11: every acknowledged photo has an info document or a failure record, unless deleted."""
    for reference in case.index.promises:
        if case.state.is_deleted(reference):
            continue
        finding.count()
        photo_version = parse_photo_version(reference)
        documents = (Info(photo_version), Failure(photo_version))
        if not any(case.state.holders(render_path(each)) for each in documents):
            finding.add_violation("has neither sizes nor a failure record", reference)


def converged(case: Case, finding: Finding) -> None:
    """C14: the mirrors were equal, and no hint was pending, within the bound."""
    finding.count()
    took = case.criteria.converged_seconds
    if took is None or took > case.criteria.converge_seconds_max:
        text = "not converged" if took is None else f"converged after {took:.1f} s"
        finding.add_violation(f"{text}; the bound is {case.criteria.converge_seconds_max:.0f} s")


def repair_traffic_bounded(case: Case, finding: Finding) -> None:
    """C15: the nodes did not send much more than the missing bytes."""
    finding.count()
    criteria = case.criteria
    allowed = REPAIR_RATIO_MAX * criteria.missing_bytes + criteria.listing_bytes
    if criteria.moved_bytes > allowed:
        finding.add_violation(
            f"nodes sent {criteria.moved_bytes:,} bytes, "
            f"and {criteria.missing_bytes:,} were missing"
        )


def copies_kept(case: Case, finding: Finding) -> None:
    """C16: while the map changed, a kept original with two copies always had two."""
    if not case.criteria.copies_watched:
        return
    for promise in case.index.kept():
        finding.count()
        if shortage := case.criteria.shortages.get(promise.path):
            finding.add_violation(f"{promise.path} was {shortage}", promise.reference)


def _files_by_version(state: FinalState) -> dict[str, set[str]]:
    """Return the paths of each version's files on any node, without tombstones."""
    found: dict[str, set[str]] = defaultdict(set)
    for files in state.files.values():
        for path in files:
            if not path.endswith(".gone"):
                found[_reference_of(path)].add(path)
    return found


def _missing_tombstone(state: FinalState, reference: str, removal: Operation) -> tuple[str, ...]:
    """Return the mirrors without the tombstone of a removal: the photo's, or the version's."""
    photo, version = tombstone_paths(parse_photo_version(reference))
    if removal.photo == photo_of(reference):
        return state.lacking(photo)
    return tuple(set(state.lacking(version)) & set(state.lacking(photo)))


def _nodes_with(state: FinalState, path: str) -> list[str]:
    return [node for node, files in state.files.items() if path in files]


def _reference_of(path: str) -> str:
    """Return VOLUME/PHOTO/VERSION of a path, or VOLUME/PHOTO of a photo's tombstone."""
    try:
        file = parse_path(path)
    except InvalidPath:
        return ""
    return (
        f"{file.volume}/{file.photo}"
        if isinstance(file, PhotoTombstone)
        else str(file.photo_version)
    )
