"""`python -m tests.mutants` mutates modules, runs their tests, and prints what survives."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tests.mutants.campaign import NOT_RUN, Campaign, Result
from tests.mutants.equivalents import EQUIVALENTS
from tests.mutants.summary import CAUGHT_SHARE_MIN, Summary, summarize
from tests.mutants.targets import TARGETS, Target
from tests.mutants.tree import SURVIVED, TestsFailed

out = partial(print, flush=True)

EXAMPLES = """examples:
  python -m tests.mutants --module fence            all modules with "fence" in their path
  python -m tests.mutants --jobs 2 --json           two trees at once, results as JSON
  python -m tests.mutants --report                  the results so far; nothing is run

A run that was interrupted continues where it stopped. Exit status: 0 if at least 95 % of the
mutants that are not equivalent were caught; 1 if fewer were, or a listed equivalent is wrong; 2 if
tests fail without a mutant.
"""


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--module", action="append", help="part of a module's path; repeatable")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--report", action="store_true", help="run nothing, print stored results")
    parser.add_argument("--quick", action="store_true", help="leave out tests that start clusters")
    parser.add_argument("--fresh", action="store_true", help="forget all stored results")
    parser.add_argument("--jobs", type=int, default=1, help="number of trees at once (1)")
    parser.add_argument("--results", type=Path, default=Path("build/mutants.jsonl"), help="file")
    options = parser.parse_args()
    if options.jobs < 1:
        parser.error("--jobs must be at least 1")
    chosen = [
        target
        for target in TARGETS
        if not options.module or any(part in target.module for part in options.module)
    ]
    if not chosen:
        parser.error(f"no module matches; known modules: {', '.join(t.module for t in TARGETS)}")
    if options.fresh:
        options.results.unlink(missing_ok=True)
    campaign = Campaign(options.results, jobs=options.jobs, is_quick=options.quick)
    if not options.report:
        try:
            campaign.run(chosen, lambda result: print_progress(result, quiet=options.json))
        except TestsFailed as error:
            out(error, file=sys.stderr)
            return 2
    return print_results(campaign, chosen, as_json=options.json)


def print_progress(result: Result, *, quiet: bool) -> None:
    """Print a survivor when it is found."""
    if result.outcome == SURVIVED and not quiet:
        out(f"{result.module}:{result.line}  {result.change}")


def print_results(campaign: Campaign, chosen: Sequence[Target], *, as_json: bool) -> int:
    """Print a line for each module, survivors, and wrong equivalents; return the exit status."""
    summaries = [summarize(campaign.results_of(each), EQUIVALENTS) for each in chosen]
    total = Summary.total(summaries)
    if as_json:
        out(json.dumps([asdict(each) for each in summaries], indent=2))
    else:
        for summary in summaries:
            out(summary.line())
        out(total.line())
        for result in total.survivors:
            out(f"survived: {result.module}:{result.line}  {result.change}")
        for wrong in total.wrong_equivalents:
            out(f"not an equivalent, or no mutant: {wrong}")
    if total.not_run and not as_json:
        out(f"{total.not_run} mutants were {NOT_RUN}")
    is_well = total.caught_share >= CAUGHT_SHARE_MIN and not total.wrong_equivalents
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
