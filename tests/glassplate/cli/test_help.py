"""Help texts: complete, in one style, and shown without importing anything heavy."""

import re
import subprocess
import sys

import click
import pytest

from glassplate.cli.main import SECTIONS, main

COLUMNS = 80
SUMMARY_CHARACTERS_MAX = 60
LISTED = [command for section in SECTIONS for command in section.commands]


def all_commands(command, path=()):
    """Yield every command and subcommand with its words on the command line."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from all_commands(command.get_command(context, name), (*path, name))


COMMANDS = dict(all_commands(main))
each_command = pytest.mark.parametrize("path", COMMANDS, ids=" ".join)


def test_help_groups_all_commands(glassplate):
    """The help lists every section, every command with its summary, and the exit statuses."""
    shown = glassplate("--help").stdout
    for section in SECTIONS:
        assert f"\n{section.title}:\n" in shown
    for command in LISTED:
        assert re.search(f"  {command.name} +{re.escape(command.summary)}\n", shown)
    assert re.search(r"Exit status:\n +0  .*\n +1  .*\n +2  .*\n +3  ", shown)


@pytest.mark.parametrize("listed", LISTED, ids=lambda command: command.name)
def test_the_list_agrees_with_the_commands(listed):
    """Each command has the listed name, and its help begins with the listed summary."""
    command = COMMANDS[(listed.name,)]
    assert command.name == listed.name
    assert command.help.splitlines()[0] == listed.summary


@each_command
def test_help_has_a_summary_and_examples(path, glassplate):
    """The summary is one short sentence, and every example names the command."""
    shown = glassplate(*path, "--help").stdout
    summary = COMMANDS[path].help.splitlines()[0]
    assert len(summary) <= SUMMARY_CHARACTERS_MAX
    assert summary.endswith(".")
    examples = re.search(r"Examples?:\n((?: +\S.*\n)+)", shown)[1].splitlines()
    assert all("glassplate" in line or line.startswith("    ") for line in examples)
    assert "\\b" not in shown


@each_command
def test_options_are_described_in_one_style(path):
    """Each option has a help text with a period; repeatable ones end in "Repeatable."."""
    options = [each for each in COMMANDS[path].params if isinstance(each, click.Option)]
    for option in options:
        assert option.help, option.name
        assert option.help.endswith("."), option.name
        assert option.help.endswith("Repeatable.") == option.multiple, option.name


@each_command
def test_help_fits_80_columns(path, glassplate, monkeypatch):
    """No line of the help folds."""
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    shown = glassplate(*path, "--help", terminal_width=COLUMNS).stdout
    assert [line for line in shown.splitlines() if len(line) > COLUMNS] == []


def test_version_is_the_packages(glassplate):
    """`--version` prints the version of the installed package."""
    assert re.fullmatch(r"glassplate \d+\.\d+\.\d+\n", glassplate("--version").stdout)


@pytest.mark.parametrize("arguments", [["--help"], ["put", "--help"]], ids=" ".join)
def test_help_imports_nothing_heavy(arguments):
    """The command line starts fast because the help needs none of these libraries."""
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
