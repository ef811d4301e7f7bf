"""Errors as a person at a terminal meets them: what, why and what to do, and an exit status."""

from collections.abc import Sequence
from typing import IO, Any

import click

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

EXIT_NOT_DONE = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3

_WHAT_TO_DO: tuple[tuple[type[GlassplateError], str], ...] = (
    (NoKeys, "Name a cluster.toml whose key file can be read: glassplate --cluster PATH ..."),
    (NoToken, "Give a token: glassplate --token TOKEN ..., or GLASSPLATE_TOKEN."),
    (NotAuthorized, "Sign another where the keys are: glassplate token --scope upload"),
    (Unreachable, "Is it running? `glassplate up` runs one here; --url names another."),
)


class Failure(click.ClickException):
    """Something was not done; ends the program."""

    exit_code = EXIT_NOT_DONE

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message to stderr."""
        click.echo(f"glassplate: {self.message}", file=file, err=True)


class WrongUsage(Failure):
    """The command line, the config or the keys are wrong."""

    exit_code = EXIT_USAGE


class ClusterUnreachable(Failure):
    """Nobody answered."""

    exit_code = EXIT_UNREACHABLE


_FAILURES = {kind.exit_code: kind for kind in (Failure, WrongUsage, ClusterUnreachable)}


def to_click_exception(error: Exception) -> Failure:
    """How the program ends after an error."""
    from permission_urls import KeyRingError
    from runtime.server_extra import describe_missing_package
    from volumes.config_reader import InvalidConfig

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
                f"something went wrong that was not foreseen: {error!r}\n"
                "GLASSPLATE_DEBUG=1 shows where; please report it."
            )


def format_error(error: GlassplateError) -> str:
    """What happened and why; what to do stands on a line of its own."""
    what, todo = describe_error(error), suggest_fix(error)
    return f"{what}\n{todo}" if todo else what


def describe_error(error: GlassplateError) -> str:
    """What happened and why."""
    if isinstance(error, Unreachable):
        return f"the cluster cannot be reached: {error}"
    return str(error)


def suggest_fix(error: GlassplateError) -> str:
    """What may help, if anything is known to."""
    return next((todo for kind, todo in _WHAT_TO_DO if isinstance(error, kind)), "")


def exit_code_of(error: GlassplateError) -> int:
    """The exit status that an error ends the program with."""
    if isinstance(error, Unreachable):
        return EXIT_UNREACHABLE
    if isinstance(error, UsageError) and not isinstance(error, UnusableSource | UnusableTarget):
        return EXIT_USAGE
    return EXIT_NOT_DONE


def exit_code_of_all(errors: Sequence[GlassplateError], *, is_some_done: bool) -> int:
    """The exit status after many things of which some failed: their own, if nothing else was."""
    codes = {exit_code_of(error) for error in errors}
    if not codes:
        return 0
    return codes.pop() if len(codes) == 1 and not is_some_done else EXIT_NOT_DONE


def key_hint(error: Exception) -> str:
    """How to find out whether a photo was kept after all; nothing where that is known."""
    if isinstance(error, ClusterError) and error.idempotency_key and error.may_have_succeeded:
        return (
            f"It may be kept. This makes sure, and no second photo: --key {error.idempotency_key}"
        )
    return ""
