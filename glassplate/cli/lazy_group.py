"""A group that imports a command only to run it, so that the command line starts fast."""

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
    """A command by its location ("package.module:function") and its line of help."""

    location: str
    summary: str

    @property
    def name(self) -> str:
        """The name on the command line. `import_` is `import`."""
        return self.location.rpartition(":")[2].removesuffix("_").replace("_", "-")


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of the command list in the help."""

    title: str
    commands: tuple[LazyCommand, ...]


class LazyGroup(click.Group):
    """A group of lazy commands. It reports every error as one or two plain lines."""

    def __init__(self, *args: Any, sections: Sequence[Section], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _keep_line_breaks(self)
        self._sections = sections
        self._commands = {command.name: command for s in sections for command in s.commands}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, section by section."""
        del ctx
        return list(self._commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or return None if it does not exist."""
        del ctx
        command = self._commands.get(cmd_name)
        if command is None:
            return None
        module, _, attribute = command.location.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        assert isinstance(found, click.Command)
        _keep_line_breaks(found)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, without importing any."""
        del ctx
        for section in self._sections:
            with formatter.section(section.title):
                formatter.write_dl([(c.name, c.summary) for c in section.commands], col_max=12)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            # Click handles a closed pipe, as with `| head`, and exits without a message.
            is_broken_pipe = isinstance(error, OSError) and error.errno == errno.EPIPE
            if is_broken_pipe or os.environ.get("GLASSPLATE_DEBUG"):
                raise
            raise to_click_exception(error) from error


def _keep_line_breaks(command: click.Command) -> None:
    r"""Make click keep the line breaks of paragraphs that begin with a line of `\b`.

    Click looks for a backspace character, which a raw docstring does not contain.
    """
    if command.help:
        command.help = command.help.replace("\\b\n", "\b\n")
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        _keep_line_breaks(inner)
