"""A process that imports what tests need once, and forks for each run of tests.

`tree.py` runs this file as a script in a copy of the project, with one module as argument, and
writes one request a line: test files, the ids of tests to leave out, and a time limit. The first
request is the baseline: all tests run without a mutant, and the response has the lines of the
module that each reaches. Afterwards everything is imported that does not depend on the module, so
that a forked child only imports the mutant and its dependents.
"""

import contextlib
import gc
import importlib
import importlib.abc
import json
import os
import resource
import signal
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import pytest

HERE = Path.cwd()
OUTSIDE_TESTS = ""
MEMORY_BYTES_MAX = 3 * 2**30
OPTIONS = (
    *("-q", "-x", "--rootdir=.", "-p", "no:cacheprovider"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)


class Skip:
    """A pytest plugin that leaves tests out. A test whose id the mutant has changed runs."""

    def __init__(self, ids):
        self._ids = frozenset(ids)

    def pytest_collection_modifyitems(self, items):
        """Leave them out."""
        items[:] = [item for item in items if item.nodeid not in self._ids]


class ReachedLines:
    """A pytest plugin that records the lines of a module that each test reaches, and durations.

    Lines that fixtures of a test reach count for all tests of its file, which can share them.
    """

    def __init__(self, path):
        self._path = path
        self.reached = {OUTSIDE_TESTS: set()}
        self.seconds = {}
        self._current = self.reached[OUTSIDE_TESTS]

    def start(self):
        """Trace this thread, and threads that start from now on."""
        threading.settrace(self._trace)
        sys.settrace(self._trace)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item):
        """Record the duration of a test."""
        started = time.monotonic()
        result = yield
        self.seconds[item.nodeid] = time.monotonic() - started
        self._count_for(OUTSIDE_TESTS)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item):
        """Record the lines of fixtures for the file."""
        self._count_for(item.nodeid.partition("::")[0])
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item):
        """Record the lines of the test itself."""
        self._count_for(item.nodeid)
        return (yield)

    def _count_for(self, key):
        self._current = self.reached.setdefault(key, set())

    def _trace(self, frame, event, arg):
        del event, arg
        if frame.f_code.co_filename != self._path:
            return None
        self._current.add(frame.f_lineno)
        return self._trace_line

    def _trace_line(self, frame, event, arg):
        del event, arg
        self._current.add(frame.f_lineno)
        return self._trace_line


class DependsOnMutant(Exception):
    """The module under test is imported in each child only."""


class Blocked(importlib.abc.MetaPathFinder):
    """An import hook that refuses one module, and so every module that imports it."""

    def __init__(self, module):
        self._module = module

    def find_spec(self, fullname, path, target=None):
        """Refuse the module."""
        del path, target
        if fullname == self._module:
            raise DependsOnMutant


def import_independent(names, module):
    """Import the modules that neither are tests nor depend on the module."""
    blocked = Blocked(module)
    sys.meta_path.insert(0, blocked)
    with warnings.catch_warnings(action="ignore"):
        for name in names:
            if name.partition(".")[0] not in {"__main__", "tests"}:
                with contextlib.suppress(Exception):
                    importlib.import_module(name)
    sys.meta_path.remove(blocked)
    gc.collect()
    gc.freeze()


def run_child(request, path, report):
    """Run tests in this forked process, and end it with their status."""
    os.setsid()
    # A mutant can loop without end, and collect what it makes.
    cpu_seconds = int(request["seconds_max"])
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    if request["is_baseline"]:
        lines = ReachedLines(path)
        lines.start()
        status = run_tests(request["tests"], lines, "--tb=short")
        reached = {key: sorted(found) for key, found in lines.reached.items()}
        found = {"reached": reached, "seconds": lines.seconds, "modules": list(sys.modules)}
        report.write_text(json.dumps(found))
    else:
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        status = run_tests(request["tests"], Skip(request["skipped"]), "--tb=no")
    sys.stdout.flush()
    os._exit(status)


def run_tests(files, plugin, *options):
    """Return the exit status of pytest."""
    return int(pytest.main([*OPTIONS, *options, *files], plugins=[plugin]))


def fork_and_wait(request, path, folder):
    """Return the status of a run in a child, or None at its time limit, and its output."""
    report, output = folder / "report.json", folder / "output"
    report.write_text("{}")
    child = os.fork()
    if child == 0:
        log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, descriptor in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, descriptor)
        try:
            run_child(request, path, report)
        finally:
            os._exit(70)
    try:
        status = wait(child, request["seconds_max"])
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    text = output.read_text(errors="replace")[-6000:]
    return {"status": status, "output": text, **json.loads(report.read_text())}


def wait(child, seconds_max):
    """Return the exit status of a child; None if it was killed at its limit.

    The time in which it waits for a processor does not count.
    """
    started = time.monotonic()
    while time.monotonic() - started - delayed_seconds(child) < seconds_max:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            at_limit = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
            return None if at_limit else os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def delayed_seconds(process):
    """Return how long a process has waited for a processor."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9


def main(module):
    """Serve requests until the input ends."""
    path = str(HERE / module)
    name = module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    responses = os.fdopen(os.dup(1), "w")
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            response = fork_and_wait(json.loads(line), path, Path(folder))
            responses.write(json.dumps(response) + "\n")
            responses.flush()
            import_independent(response.get("modules", ()), name)


if __name__ == "__main__":
    main(sys.argv[1])
