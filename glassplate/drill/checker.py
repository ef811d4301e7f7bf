"""The checker: fifteen rules, and whether a history and a final state keep them.

Pure: no network, no disk, no clock. It takes time in proportion to history and files.
"""

from collections.abc import Callable, Mapping

from glassplate.drill import rules_of_history, rules_of_rest
from glassplate.drill.final_state import FinalState
from glassplate.drill.history import Op, Operation, Outcome
from glassplate.drill.told import Told, tell
from glassplate.drill.verdict import Case, Finding, Terms, Verdict

Rule = Callable[[Case, Finding], None]

RULES: Mapping[str, tuple[str, Rule]] = {
    "C1": ("A body is always one that was uploaded under its path", rules_of_history.right_bytes),
    "C2": ("What was deleted is not served, past its bound", rules_of_history.gone_in_time),
    "C3": ("What was acknowledged is never said not to be there", rules_of_history.never_denied),
    "C4": ("Every acknowledged photo is whole on every mirror", rules_of_rest.kept),
    "C5": ("No deleted photo is anywhere", rules_of_rest.gone),
    "C6": ("What may have happened has happened everywhere or nowhere", rules_of_rest.settled),
    "C7": ("Nothing is left over", rules_of_rest.nothing_left_over),
    "C8": ("Infos, names and digests agree", rules_of_rest.infos_agree),
    "C9": ("A photo has the same headers wherever it is read", rules_of_rest.same_headers),
    "C10": ("One key is one photo, one path has one content", rules_of_rest.once),
    "C11": ("Every photo has its sizes, or a reason", rules_of_rest.processed),
    "C12": ("Reads go on where faults leave a way", rules_of_history.readable),
    "C13": ("Nothing is served without permission", rules_of_history.permitted),
    "C14": ("The mirrors are equal within the bound", rules_of_rest.converged),
    "C15": ("A repair moves what is missing, and not much more", rules_of_rest.thrifty),
}


def check(operations: list[Operation], state: FinalState, terms: Terms) -> Verdict:
    """Hold what happened against every rule."""
    case = Case(tell(operations), state, terms)
    return Verdict(tuple(_apply(name, case) for name in RULES))


def _apply(name: str, case: Case) -> Finding:
    promise, rule = RULES[name]
    finding = Finding(name, promise)
    rule(case, finding)
    return finding


def count_of_sets(told: Told, state: FinalState) -> dict[str, float]:
    """What became of the set of all photos: how many were acknowledged, lost, never read, stale."""
    read_ok: dict[str, list[int]] = {}
    read_bad: dict[str, list[Operation]] = {}
    for get in told.of(Op.GET):
        reference = told.reference_of_path.get(get.path, "")
        if get.outcome is Outcome.OK and get.status == 200:
            read_ok.setdefault(reference, []).append(get.complete_ns)
        elif get.permitted:
            read_bad.setdefault(reference, []).append(get)
    kept = list(told.kept())
    return {
        "acknowledged": len(told.promises),
        "removed": sum(1 for _ in told.ended()),
        "stable": sum(1 for p in kept if not state.lacking(p.path)),
        "lost": sum(1 for p in kept if not state.holders(p.path)),
        "never_read": sum(1 for p in kept if p.reference not in read_ok),
        "stale": sum(1 for p in kept if p.reference in read_bad),
        "unknown_uploads": sum(1 for _ in told.of(Op.PUT, Outcome.INFO)),
    }
