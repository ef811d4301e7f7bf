"""The checker: fifteen rules, and whether a history and a final state keep them.

Pure: no network, no disk, no clock. It takes time in proportion to history and files.
"""

from collections.abc import Callable, Mapping

from drill.checks import final_state_rules, history_rules
from drill.checks.final_state import FinalState
from drill.checks.photo_index import PhotoIndex, index_history
from drill.checks.verdict import Case, Criteria, Finding, Verdict
from drill.history import Op, Operation, Outcome

Rule = Callable[[Case, Finding], None]

RULES: Mapping[str, tuple[str, Rule]] = {
    "C1": ("A body is always one that was uploaded under its path", history_rules.right_bytes),
    "C2": ("What was deleted is not served, past its bound", history_rules.gone_in_time),
    "C3": ("What was acknowledged is never said not to be there", history_rules.never_denied),
    "C4": ("Every acknowledged photo is whole on every mirror", final_state_rules.kept),
    "C5": ("No deleted photo is anywhere", final_state_rules.gone),
    "C6": (
        "What may have happened has happened everywhere or nowhere",
        final_state_rules.all_or_nothing,
    ),
    "C7": ("Nothing is left over", final_state_rules.nothing_left_over),
    "C8": ("Infos, names and digests agree", final_state_rules.infos_agree),
    "C9": ("A photo has the same headers wherever it is read", final_state_rules.same_headers),
    "C10": ("One key is one photo, one path has one content", final_state_rules.unique),
    "C11": ("Every photo has its sizes, or a reason", final_state_rules.processed),
    "C12": ("Reads go on where faults leave a way", history_rules.readable),
    "C13": ("Nothing is served without permission", history_rules.permitted),
    "C14": ("The mirrors are equal within the bound", final_state_rules.converged),
    "C15": (
        "A repair moves what is missing, and not much more",
        final_state_rules.repair_traffic_bounded,
    ),
}


def check(operations: list[Operation], state: FinalState, terms: Criteria) -> Verdict:
    """Hold what happened against every rule."""
    case = Case(index_history(operations), state, terms)
    return Verdict(tuple(_apply(name, case) for name in RULES))


def _apply(name: str, case: Case) -> Finding:
    promise, rule = RULES[name]
    finding = Finding(name, promise)
    rule(case, finding)
    return finding


def count_of_sets(index: PhotoIndex, state: FinalState) -> dict[str, float]:
    """What became of the set of all photos: how many were acknowledged, lost, never read, stale."""
    read_ok: dict[str, list[int]] = {}
    read_bad: dict[str, list[Operation]] = {}
    for get in index.photo_version(Op.GET):
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
        "unknown_uploads": sum(1 for _ in index.photo_version(Op.PUT, Outcome.INFO)),
    }
