"""A group of commands that are imported when they are run, so that the command line starts fast."""

import errno
import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from glassplate.cli.failures import to_click_exception


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command by its name, where it is ("package.module:attribute"), and one line of help."""

    name: str
    where: str
    summary: str


@dataclass(frozen=True, slots=True)
class Section:
    """Commands that stand together in the help."""

    title: str
    commands: tuple[LazyCommand, ...]


class LazyGroup(click.Group):
    """Knows its commands by name, and makes every error one or two plain lines."""

    def __init__(self, *args: Any, sections: Sequence[Section], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _mark_examples(self)
        self._sections = sections
        self._commands = {command.name: command for s in sections for command in s.commands}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, section by section."""
        del ctx
        return list(self._commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        command = self._commands.get(cmd_name)
        if command is None:
            return None
        module, _, attribute = command.where.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        assert isinstance(found, click.Command)
        _mark_examples(found)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, without importing any."""
        del ctx
        for section in self._sections:
            with formatter.section(section.title):
                formatter.write_dl([(c.name, c.summary) for c in section.commands], col_max=12)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            # A reader that has gone, as `head` does, is no error; click ends quietly then.
            is_broken_pipe = isinstance(error, OSError) and error.errno == errno.EPIPE
            if is_broken_pipe or os.environ.get("GLASSPLATE_DEBUG"):
                raise
            raise to_click_exception(error) from error


def _mark_examples(command: click.Command) -> None:
    r"""Have click leave the line breaks of paragraphs that begin with a line of `\b`.

    Click looks for the character that this escapes, which a raw docstring does not have.
    """
    if command.help:
        command.help = command.help.replace("\\b\n", "\b\n")
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        _mark_examples(inner)
