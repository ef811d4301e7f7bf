"""Runs of tests against all mutants of modules, with results that a later run continues."""

import contextlib
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.equivalents import EQUIVALENTS
from tests.mutants.operators import Mutant, mutants_of
from tests.mutants.targets import Target
from tests.mutants.tree import SURVIVED, Tree, WarmTests

ROOT = Path(__file__).parents[2]
NOT_RUN = "not run"
PORTS = range(10_240, 32_768)
# Tests of durability wait for a disk most of the time, and mutants change no disk.
MEMORY = Path("/dev/shm")


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
    seconds: float = 0.0


class Runner:
    """The tests of a target in one tree; slow ones run for mutants that survive the quick ones."""

    def __init__(self, tree: Tree, target: Target) -> None:
        self._tree, self._target = tree, target
        self._quick = WarmTests(tree, target.module, target.tests)
        self._slow: WarmTests | None = None

    def close(self) -> None:
        """End the processes."""
        self._quick.close()
        if self._slow:
            self._slow.close()

    def run(self, mutant: Mutant, *, with_slow: bool) -> tuple[str, str]:
        """Return the outcome of a mutant, and the test that failed."""
        reaching = self._quick.baseline.tests_for(mutant.lines)
        outcome, test = self._quick.run_mutant(mutant.source, reaching)
        if outcome != SURVIVED or not with_slow or not self._target.slow:
            return outcome, test
        self._slow = self._slow or WarmTests(self._tree, self._target.module, self._target.slow)
        slow = self._slow.baseline
        # Servers of slow tests can be other processes, in which no line is recorded.
        reaching = slow.tests_for(mutant.lines) or slow.tests_for(None)
        return self._slow.run_mutant(mutant.source, reaching)


class Campaign:
    """The mutants of several modules, and the file of their results."""

    def __init__(
        self, results: Path, *, jobs: int, root: Path = ROOT, is_quick: bool = False
    ) -> None:
        self._root = root
        self._results = results
        self._jobs = jobs
        self._is_quick = is_quick

    def results_of(self, target: Target) -> list[Result]:
        """Return the result of each mutant of a module, `NOT_RUN` without one."""
        return [result for result, _ in self._mutants(target)]

    def run(self, targets: Sequence[Target], report: Callable[[Result], None]) -> None:
        """Run every mutant without a result.

        Raises:
            TestsFailed: The tests of a target fail without a mutant.
        """
        for target in targets:
            missing = [each for each in self._mutants(target) if each[0].outcome == NOT_RUN]
            if missing:
                with self._trees(in_memory=not target.needs_disk) as trees:
                    self._run_target(target, missing, trees, report)

    @contextlib.contextmanager
    def _trees(self, *, in_memory: bool) -> Iterator[Sequence[Tree]]:
        step = len(PORTS) // self._jobs
        memory = MEMORY if in_memory and MEMORY.is_dir() else None
        with tempfile.TemporaryDirectory(prefix="mutants-", dir=memory) as folder:
            # Some tests change their user.
            Path(folder).chmod(0o711)
            yield [
                Tree(self._root, Path(folder, str(job)), PORTS[job * step : (job + 1) * step])
                for job in range(self._jobs)
            ]

    def _run_target(
        self,
        target: Target,
        missing: Sequence[tuple[Result, Mutant]],
        trees: Sequence[Tree],
        report: Callable[[Result], None],
    ) -> None:
        listed = EQUIVALENTS.get(target.module, {})
        free: SimpleQueue[Runner] = SimpleQueue()

        def run_one(mutant: tuple[Result, Mutant]) -> Result:
            result, changed = mutant
            with_slow = not self._is_quick and result.change not in listed
            runner, started = free.get(), time.monotonic()
            try:
                outcome, test = runner.run(changed, with_slow=with_slow)
            finally:
                free.put(runner)
            seconds = round(time.monotonic() - started, 2)
            return replace(result, outcome=outcome, caught_by=test, seconds=seconds)

        with ThreadPoolExecutor(self._jobs) as pool, contextlib.ExitStack() as stack:
            for runner in pool.map(lambda tree: Runner(tree, target), trees):
                stack.callback(runner.close)
                free.put(runner)
            try:
                for result in pool.map(run_one, missing):
                    self._store(result)
                    report(result)
            finally:
                pool.shutdown(cancel_futures=True)

    def _mutants(self, target: Target) -> Iterator[tuple[Result, Mutant]]:
        """Yield each mutant of a module with its result."""
        run = target.tests if self._is_quick else (*target.tests, *target.slow)
        stored, tests = self._load(), self._digest_of_tests(run)
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
                result = replace(
                    result, outcome=known.outcome, caught_by=known.caught_by, seconds=known.seconds
                )
            yield result, mutant

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
