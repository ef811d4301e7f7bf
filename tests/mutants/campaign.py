"""Runs of tests against all mutants of modules, with results that a later run continues."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.operators import mutants_of
from tests.mutants.targets import Target
from tests.mutants.tree import SURVIVED, Tree

ROOT = Path(__file__).parents[2]
NOT_RUN = "not run"
# An endless loop must end, and tests that only wait longer must not.
LIMIT_SECONDS_MIN = 10.0
LIMIT_FACTOR = 4
PORTS = range(10_240, 32_768)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Outcome of one mutant."""

    module: str
    line: int
    change: str
    mutated: str
    """Digest of the mutated module."""
    tests: str
    """Digest of the tests that ran. A caught mutant stays caught when tests change."""
    outcome: str = NOT_RUN
    caught_by: str = ""


class Campaign:
    """The mutants of several modules, and the file of their results."""

    def __init__(self, results: Path, *, jobs: int, root: Path = ROOT) -> None:
        self._root = root
        self._results = results
        self._jobs = jobs

    def results_of(self, target: Target) -> list[Result]:
        """Return the result of each mutant of a module, `NOT_RUN` without one."""
        return [result for result, _ in self._mutants(target)]

    def run(self, targets: Sequence[Target], report: Callable[[Result], None]) -> None:
        """Run every mutant without a result.

        Raises:
            TestsFailed: The tests of a target fail without a mutant.
        """
        step = len(PORTS) // self._jobs
        with tempfile.TemporaryDirectory(prefix="glassplate-mutants-") as folder:
            trees = [
                Tree(self._root, Path(folder, str(job)), PORTS[job * step : (job + 1) * step])
                for job in range(self._jobs)
            ]
            for target in targets:
                self._run_target(target, trees, report)

    def _run_target(
        self, target: Target, trees: Sequence[Tree], report: Callable[[Result], None]
    ) -> None:
        missing = [each for each in self._mutants(target) if each[0].outcome == NOT_RUN]
        if not missing:
            return
        free: SimpleQueue[Tree] = SimpleQueue()
        for tree in trees:
            free.put(tree)

        def run_one(mutant: tuple[Result, str]) -> Result:
            result, source = mutant
            tree = free.get()
            try:
                outcome, test = tree.run_mutant(
                    target.module, source, target.tests, limit_seconds=limit
                )
            finally:
                free.put(tree)
            return replace(result, outcome=outcome, caught_by=test)

        with ThreadPoolExecutor(self._jobs) as pool:
            durations = pool.map(lambda tree: tree.run_unchanged(target.tests), trees)
            limit = max(LIMIT_SECONDS_MIN, LIMIT_FACTOR * max(durations))
            try:
                for result in pool.map(run_one, missing):
                    self._store(result)
                    report(result)
            finally:
                pool.shutdown(cancel_futures=True)

    def _mutants(self, target: Target) -> Iterator[tuple[Result, str]]:
        """Yield the result and the source of each mutant of a module."""
        stored, tests = self._load(), self._digest_of_tests(target.tests)
        for mutant in mutants_of((self._root / target.module).read_text()):
            digest = hashlib.sha256(f"{target.module}\0{mutant.source}".encode()).hexdigest()[:20]
            result = Result(
                module=target.module,
                line=mutant.line,
                change=mutant.change,
                mutated=digest,
                tests=tests,
            )
            known = stored.get(digest)
            if known and not (known.outcome == SURVIVED and known.tests != tests):
                result = replace(result, outcome=known.outcome, caught_by=known.caught_by)
            yield result, mutant.source

    def _store(self, result: Result) -> None:
        self._results.parent.mkdir(parents=True, exist_ok=True)
        with self._results.open("a") as results:
            results.write(json.dumps(asdict(result)) + "\n")

    def _load(self) -> dict[str, Result]:
        if not self._results.exists():
            return {}
        found = [Result(**json.loads(line)) for line in self._results.read_text().splitlines()]
        return {result.mutated: result for result in found}

    def _digest_of_tests(self, tests: Sequence[str]) -> str:
        digest = hashlib.sha256()
        for test in tests:
            path = self._root / test
            for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
                digest.update(file.read_bytes())
        return digest.hexdigest()[:20]
