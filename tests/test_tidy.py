"""Tidiness: every file of the project keeps the house rules, whether it is committed yet or not."""

import contextlib
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests import tidy_rules
from tests.tidy_rules import FileRule

ROOT = Path(__file__).resolve().parents[1]

TEXT_RULES: list[FileRule] = [
    tidy_rules.names_that_say_something,
    tidy_rules.no_left_overs,
    tidy_rules.no_machine_paths,
]
PYTHON_RULES: list[FileRule] = [
    tidy_rules.short_modules,
    tidy_rules.short_functions,
    tidy_rules.module_docstrings,
    tidy_rules.no_print,
]
TEST_RULES: list[FileRule] = [tidy_rules.no_skipped_tests, tidy_rules.tests_with_docstrings]


@pytest.fixture(name="paths", scope="module")
def _paths():
    """Every file that is or could be committed, by its path from the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return {path for path in listed.split("\0") if (ROOT / path).is_file()}


@pytest.fixture(name="files", scope="module")
def _files(paths):
    """Return the text of every text file."""
    files = {}
    for path in sorted(paths):
        with contextlib.suppress(UnicodeDecodeError):
            files[path] = (ROOT / path).read_text(encoding="utf-8")
    return files


def report(messages):
    """Fails with one message a line."""
    messages = list(messages)
    if messages:
        pytest.fail("\n".join(messages), pytrace=False)


def broken(rule, files):
    """Return the messages of a rule for one file."""
    return [message for path, text in files.items() for message in rule(path, text)]


def ending(files, *suffixes):
    """Return the files whose paths have one of these endings."""
    return {path: text for path, text in files.items() if path.endswith(suffixes)}


@pytest.mark.parametrize("rule", TEXT_RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps(rule, files):
    """Rules for any text: names, left-over notes, paths of one machine."""
    report(broken(rule, files))


@pytest.mark.parametrize("rule", PYTHON_RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps(rule, files):
    """Rules for any module: its length, its functions' length, its docstring, what it prints."""
    report(broken(rule, ending(files, ".py")))


@pytest.mark.parametrize("rule", TEST_RULES, ids=lambda rule: rule.__name__)
def test_every_test_keeps(rule, files):
    """Rules for tests: each runs, and each says its promise."""
    tests = {path: text for path, text in files.items() if path.startswith("tests/")}
    report(broken(rule, ending(tests, ".py")))


def test_prose_is_plain_english(files):
    """Pages, comments, docstrings, and messages avoid the words that the rule lists."""
    rules = ("tests/tidy_rules.py", "tests/test_tidy_rules.py")
    prose = ending(files, ".py", ".md", ".j2", ".sh", ".toml", ".yaml", "Makefile")
    report(broken(tidy_rules.plain_english, {p: t for p, t in prose.items() if p not in rules}))


def test_packages_show_a_public_face_only(files):
    """No `__init__.py` holds more than re-exports."""
    report(broken(tidy_rules.init_re_exports_only, ending(files, "/__init__.py")))


def test_pages_have_one_title(files):
    """Every page has exactly one title."""
    report(broken(tidy_rules.one_title, ending(files, ".md")))


def test_links_lead_somewhere(files, paths):
    """Every relative link of every page leads to a file or a folder."""
    rule = partial(tidy_rules.links_that_lead_somewhere, paths=paths)
    report(broken(rule, ending(files, ".md")))


def test_named_files_exist(files, paths):
    """Every file named in a page, or in a docstring of a package, is there."""
    packages = tuple(f"{package}/" for package in tidy_rules.top_level_packages(files))
    modules = {path: text for path, text in files.items() if path.startswith(packages)}
    rule = partial(tidy_rules.named_files_exist, paths=paths)
    report(broken(rule, ending(files, ".md") | ending(modules, ".py")))


def test_packages_have_a_readme(files):
    """Every package at the top has a short page that says what it knows."""
    report(tidy_rules.folders_with_readme(files))


def test_modules_are_in_use(files):
    """Every module is imported, or is an entry point."""
    report(tidy_rules.modules_in_use(files))


def test_files_are_small(paths):
    """No file is too heavy to be kept in the repository."""
    sizes = {path: (ROOT / path).stat().st_size for path in sorted(paths)}
    report(broken(tidy_rules.small_files, sizes))
