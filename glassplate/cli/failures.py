"""Errors as shown at a terminal: what happened, why, what to do, and an exit status."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import IO, Any, TypeVar

import click

from glassplate.cli.views.output import escape_lines
from glassplate.errors import (
    ClusterError,
    GlassplateError,
    NoKeys,
    NotAuthorized,
    NoToken,
    Unreachable,
    UnusableSource,
    UnusableTarget,
    UsageError,
)
from glassplate.urls.references import PhotoReference

_Result = TypeVar("_Result")

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3

_FIXES: tuple[tuple[type[GlassplateError], str], ...] = (
    (NoKeys, "Pass a cluster.toml whose key file is readable: glassplate --cluster PATH ..."),
    (NoToken, "Pass a token: glassplate --token TOKEN ..., or set GLASSPLATE_TOKEN."),
    (NotAuthorized, "Sign a new token where the keys are: glassplate token --scope upload"),
    (Unreachable, "Start it with `glassplate up`, or pass --url."),
)


class Failure(click.ClickException):
    """A failed operation. It ends the program."""

    exit_code = EXIT_FAILED

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message to stderr."""
        click.echo(f"glassplate: {escape_lines(self.message)}", file=file, err=True)


class WrongUsage(Failure):
    """An invalid command line, config, or key file."""

    exit_code = EXIT_USAGE


class ClusterUnreachable(Failure):
    """A cluster without a responding server."""

    exit_code = EXIT_UNREACHABLE


_FAILURES = {kind.exit_code: kind for kind in (Failure, WrongUsage, ClusterUnreachable)}


def to_click_exception(error: Exception) -> Failure:
    """Convert an error to the exception that ends the program."""
    from permission_urls import KeyRingError
    from runtime.extras import describe_missing_package
    from volumes.config.config_reader import InvalidConfig

    if isinstance(error, ModuleNotFoundError) and (missing := describe_missing_package(error)):
        return WrongUsage(missing)
    match error:
        case GlassplateError():
            return _FAILURES[exit_code_of(error)](format_error(error))
        case InvalidConfig() | KeyRingError():
            return WrongUsage(str(error))
        case OSError():
            return Failure(str(error))
        case _:
            return Failure(
                f"internal error: {error!r}\n"
                "Set GLASSPLATE_DEBUG=1 for a traceback, and please report this."
            )


def format_error(error: GlassplateError) -> str:
    """Return the description of an error, and the suggested fix on a second line."""
    description, fix = describe_error(error), suggest_fix(error)
    return f"{description}\n{fix}" if fix else description


def describe_error(error: GlassplateError) -> str:
    """Return what happened and why."""
    if isinstance(error, Unreachable):
        return f"the cluster is unreachable: {error}"
    return str(error)


def suggest_fix(error: GlassplateError) -> str:
    """Return what the user can do, or an empty string."""
    return next((fix for kind, fix in _FIXES if isinstance(error, kind)), "")


def exit_code_of(error: GlassplateError) -> int:
    """Return the exit status for an error."""
    if isinstance(error, Unreachable):
        return EXIT_UNREACHABLE
    if isinstance(error, UsageError) and not isinstance(error, UnusableSource | UnusableTarget):
        return EXIT_USAGE
    return EXIT_FAILED


async def attempt_each(
    references: Iterable[PhotoReference], work: Callable[[str], Awaitable[_Result]]
) -> list[tuple[str, _Result | GlassplateError]]:
    """Run work for each reference, and return its result or its error."""
    outcomes: list[tuple[str, _Result | GlassplateError]] = []
    for reference in map(str, references):
        try:
            outcomes.append((reference, await work(reference)))
        except GlassplateError as error:
            outcomes.append((reference, error))
    return outcomes


def exit_code_of_all(errors: Sequence[GlassplateError], *, is_some_done: bool) -> int:
    """Return the exit status for several operations.

    If all of them failed with the same status, that status is returned.
    """
    codes = {exit_code_of(error) for error in errors}
    if not codes:
        return 0
    return codes.pop() if len(codes) == 1 and not is_some_done else EXIT_FAILED


def idempotency_hint(error: Exception) -> str:
    """Return how to repeat an upload whose outcome is unknown, or an empty string."""
    if isinstance(error, ClusterError) and error.idempotency_key and error.may_have_succeeded:
        return (
            "The photo may be stored. To retry without a duplicate, pass "
            f"--idempotency-key {error.idempotency_key}"
        )
    return ""
