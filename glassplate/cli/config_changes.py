"""Changes of `cluster.toml` by commands: valid ones only, and all that a person wrote stays."""

import stat
from pathlib import Path

from glassplate.cli.failures import WrongUsage
from permission_urls.files.file_lock import locked
from permission_urls.files.replaced_file import replace_file
from volumes.cluster import Application
from volumes.config.application_tables import render_application_table
from volumes.config.cluster_config import parse_cluster
from volumes.config.config_reader import InvalidConfig


def append_application(config: Path, application: Application) -> None:
    """Append the table of a new application.

    Raises:
        WrongUsage: The application exists, or the config would be invalid. It is not changed.
        OSError: The config cannot be written.
    """
    # A link keeps its target, and the lock is beside the file that every command finds.
    path = config.resolve()
    with locked(path):
        text = path.read_text(encoding="utf-8")
        if application.name in parse_cluster(text).applications:
            raise WrongUsage(
                f"application {application.name} exists already in {config}\n"
                f"Edit its table [applications.{application.name}] there."
            )
        longer = f"{text.rstrip()}\n\n{render_application_table(application)}"
        try:
            parse_cluster(longer)
        except InvalidConfig as error:
            raise WrongUsage(f"{config} was not changed: {error}") from error
        mode = stat.S_IMODE(path.stat().st_mode)
        replace_file(path, longer.encode(), mode=mode)
