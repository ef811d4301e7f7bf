"""The checker: sixteen rules over a history and a final state.

Pure: no network, no disk, no clock. Run time is linear in operations and files.
"""

from collections.abc import Callable, Iterable, Mapping

from drill.checks import final_state_rules, history_rules
from drill.checks.final_state import FinalState
from drill.checks.photo_index import PhotoIndex, index_history
from drill.checks.verdict import Case, Criteria, Finding, Verdict
from drill.history import Op, Operation, Outcome

Rule = Callable[[Case, Finding], None]

RULES: Mapping[str, tuple[str, Rule]] = {
    "C1": ("Every body was uploaded under its path", history_rules.right_bytes),
    "C2": ("A deleted photo is not served after its time bound", history_rules.gone_in_time),
    "C3": ("An acknowledged photo is never reported missing", history_rules.never_denied),
    "C4": ("Every acknowledged photo is complete on every mirror", final_state_rules.kept),
    "C5": ("No deleted photo remains on a node or an edge", final_state_rules.gone),
    "C6": (
        "The mirrors of a volume have the same files",
        final_state_rules.mirrors_equal,
    ),
    "C7": (
        "No hint or staged file remains",
        final_state_rules.nothing_left_over,
    ),
    "C8": ("Info documents, files and recorded digests agree", final_state_rules.infos_agree),
    "C9": ("A photo has the same headers on every server", final_state_rules.same_headers),
    "C10": ("A key has one photo, and a path one content", final_state_rules.unique),
    "C11": ("Every photo has its sizes or a failure record", final_state_rules.processed),
    "C12": ("Reads succeed at edges that the faults do not affect", history_rules.readable),
    "C13": ("No edge serves a photo without permission", history_rules.permitted),
    "C14": ("The mirrors are equal within the bound", final_state_rules.converged),
    "C15": (
        "Repair traffic is bounded by the bytes that were missing",
        final_state_rules.repair_traffic_bounded,
    ),
    "C16": ("Moves never leave a photo with fewer copies", final_state_rules.copies_kept),
}


def check(
    operations: list[Operation],
    state: FinalState,
    criteria: Criteria,
    rules: Iterable[str] = RULES,
) -> Verdict:
    """Apply rules to a history and a final state; all of them by default."""
    case = Case(index_history(operations), state, criteria)
    return Verdict(tuple(_apply(name, case) for name in rules))


def _apply(name: str, case: Case) -> Finding:
    promise, rule = RULES[name]
    finding = Finding(name, promise)
    rule(case, finding)
    return finding


def count_photos(index: PhotoIndex, state: FinalState) -> dict[str, float]:
    """Return counts of all photos: acknowledged, removed, stable, lost, never read, stale."""
    read_ok: dict[str, list[int]] = {}
    read_bad: dict[str, list[Operation]] = {}
    for get in index.select(Op.GET):
        reference = index.reference_of_path.get(get.path, "")
        if get.outcome is Outcome.OK and get.status == 200:
            read_ok.setdefault(reference, []).append(get.complete_ns)
        elif get.permitted:
            read_bad.setdefault(reference, []).append(get)
    kept = list(index.kept())
    return {
        "acknowledged": len(index.promises),
        "removed": sum(1 for _ in index.ended()),
        "stable": sum(1 for p in kept if not state.lacking(p.path)),
        "lost": sum(1 for p in kept if not state.holders(p.path)),
        "never_read": sum(1 for p in kept if p.reference not in read_ok),
        "stale": sum(1 for p in kept if p.reference in read_bad),
        "unknown_uploads": sum(1 for _ in index.select(Op.PUT, Outcome.INFO)),
    }
