"""`python -m tests.simulation --seed 7` prints one history, `--seeds 1-1000` runs many."""

import argparse
import re
import sys
from functools import partial

from tests.simulation.campaign import Tally, outcomes, replay
from tests.simulation.simulation import simulate

PROGRESS_EVERY = 1000
out = partial(print, flush=True)


def main() -> int:
    """Run the command line; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seed", type=int, help="print the history of this seed")
    what.add_argument("--seeds", help="run these seeds, such as 1-100000")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return print_history(arguments.seed)
    match = re.fullmatch(r"(\d+)-(\d+)", arguments.seeds)
    if match is None:
        parser.error("--seeds is FIRST-LAST, such as 1-100000")
    return run_seeds(range(int(match[1]), int(match[2]) + 1))


def print_history(seed: int) -> int:
    """Print a history and its violations."""
    outcome = simulate(seed)
    out(*outcome.lines, sep="\n")
    out(f"seed {seed}, digest {outcome.digest}")
    out(f"converged {outcome.healed_seconds:.1f} virtual seconds after the last fault")
    out(*(outcome.violations or ("no promise was broken",)), sep="\n")
    return 1 if outcome.violations else 0


def run_seeds(seeds: range) -> int:
    """Print violations as they occur, and a summary at the end."""
    tally = Tally()
    for outcome in outcomes(seeds):
        tally.add(outcome)
        if outcome.violations:
            out(f"{replay(outcome.seed)}: {outcome.violations[0]}")
        if tally.histories % PROGRESS_EVERY == 0:
            out(f"{tally.histories} of {len(seeds)}", file=sys.stderr)
    out(tally.summary())
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
