"""Confirmation of commands that cannot be undone."""

import sys

import click

yes_option = click.option("--yes", is_flag=True, help="Skip the confirmation.")


def confirm(question: str, *details: str) -> None:
    """Print the details, prompt for yes or no, and abort the program unless it is yes.

    Raises:
        click.UsageError: Standard input is not a terminal.
    """
    if not sys.stdin.isatty():
        raise click.UsageError("cannot prompt for confirmation without a terminal; use --yes")
    for line in details:
        click.echo(line, err=True)
    click.confirm(question, abort=True, err=True)
