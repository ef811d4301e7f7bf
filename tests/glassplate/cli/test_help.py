"""The help: grouped, with examples, and there before anything heavy is imported."""

import re
import subprocess
import sys

import click
import pytest

from glassplate.cli.main import SECTIONS, main

OURS = (
    "put",
    "url",
    "get",
    "info",
    "rm",
    "undelete",
    "revoke",
    "status",
    "diff",
    "repair",
    "scrub",
    "find",
    "explain",
    "token",
)
COMMANDS = [command for section in SECTIONS for command in section.commands]


def test_help_groups_all_commands(glassplate):
    """Every section, every command with its one line, and the exit statuses."""
    result = glassplate("--help")
    assert result.exit_code == 0
    for section in SECTIONS:
        assert f"\n{section.title}:\n" in result.stdout
    for command in COMMANDS:
        assert f"  {command.name}  " in result.stdout
        assert command.summary in result.stdout
    assert "Exit status: 0 done" in result.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_is_where_the_list_says(command):
    """It loads, under that name."""
    found = main.get_command(click.Context(main), command.name)
    assert found.name == command.name


@pytest.mark.parametrize("name", ["", *OURS])
def test_help_of_every_command_has_examples(name, glassplate):
    """Each on a line of its own."""
    shown = glassplate(*filter(None, [name]), "--help").stdout
    after = shown.partition("Examples:\n")[2]
    assert re.match(r"\s+glassplate .*\n\s+glassplate ", after)
    assert "\\b" not in shown


@pytest.mark.parametrize("name", OURS)
def test_summary_is_what_the_command_says(name):
    """The one line in the list is the first line of its help."""
    command = next(command for command in COMMANDS if command.name == name)
    found = main.get_command(click.Context(main), name)
    assert found.help.splitlines()[0] == command.summary


def test_version_is_the_packages(glassplate):
    """As installed."""
    assert re.fullmatch(r"glassplate \d+\.\d+\.\d+\n", glassplate("--version").stdout)


@pytest.mark.parametrize("arguments", [["--help"], ["put", "--help"]], ids=" ".join)
def test_help_imports_nothing_heavy(arguments):
    """The command line starts fast because it starts without these."""
    code = (
        "import sys; from glassplate.cli.main import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "heavy = {'aiohttp', 'asyncio', 'rich', 'PIL', 'redis', 'rq', 'boto3', 'jinja2'}\n"
        "sys.exit(' '.join(heavy & sys.modules.keys()) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
