"""Reader and writer of the tables `[applications.NAME]` of `cluster.toml`."""

import json
import re
from collections.abc import Container

from volumes.cluster import Application
from volumes.config.config_reader import Table
from volumes.formats import FILE_SUFFIXES
from volumes.volume_ranges import parse_volume_ranges, render_volume_ranges

DEFAULT_NAME = "default"

# As a browser writes it: lower case, without a default port, and without a slash at the end.
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[1-9][0-9]{0,4})?")
_DEFAULT_PORT = re.compile(r"https://.*:443|http://.*:80")


def read_applications(top: Table, volumes: Container[int]) -> dict[str, Application]:
    """Return the applications by name, and report their mistakes."""
    applications = {}
    for name, table in top.named_tables("applications"):
        if name == DEFAULT_NAME:
            top.add_problem(
                f"applications.{name}", "is every token without an application; name another one"
            )
        applications[name] = Application(
            name=name,
            volumes=_read_volume_ranges(table, volumes),
            upload_bytes_max=_read_limit(table, "upload_bytes_max"),
            formats=_read_formats(table),
            origins=_read_origins(table),
            webhook_urls=table.webhook_urls("webhook_urls"),
            uploads_per_minute=_read_limit(table, "uploads_per_minute"),
        )
        table.report_unknown_keys()
    return applications


def render_application_table(application: Application) -> str:
    """Return the table of an application, which `read_applications` reads back."""
    volumes = application.volumes
    values = {
        "volumes": None if volumes is None else render_volume_ranges(volumes),
        "upload_bytes_max": application.upload_bytes_max,
        "formats": application.formats,
        "origins": application.origins or None,
        "webhook_urls": application.webhook_urls or None,
        "uploads_per_minute": application.uploads_per_minute,
    }
    # Numbers, and JSON strings and lists of them, are also TOML.
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items() if value is not None]
    return "\n".join([f"[applications.{application.name}]", *lines, ""])


def _read_volume_ranges(
    table: Table, volumes: Container[int]
) -> tuple[tuple[int, int], ...] | None:
    text = table.text("volumes", "")
    if "volumes" not in table.values:
        return None
    try:
        ranges = parse_volume_ranges(text)
    except ValueError as error:
        table.add_problem("volumes", str(error))
        return None
    missing = [n for first, last in ranges for n in range(first, last + 1) if n not in volumes]
    if missing:
        table.add_problem("volumes", f"volume {missing[0]} is not in [[volumes]]")
    return ranges


def _read_limit(table: Table, name: str) -> int | None:
    # Read also if it is missing, so that it is a known key.
    value = table.integer(name, 1, least=1)
    return value if name in table.values else None


def _read_formats(table: Table) -> tuple[str, ...] | None:
    formats = table.texts("formats", [])
    if "formats" not in table.values:
        return None
    unknown = [each for each in formats if each not in FILE_SUFFIXES]
    if unknown or not formats:
        known = ", ".join(FILE_SUFFIXES)
        table.add_problem("formats", f"must be some of {known}; is {list(formats)}")
    return formats


def _read_origins(table: Table) -> tuple[str, ...]:
    origins = table.texts("origins", [])
    for origin in origins:
        if not _ORIGIN.fullmatch(origin) or _DEFAULT_PORT.fullmatch(origin):
            table.add_problem(
                "origins",
                'must be as browsers send it, as in "https://shop.example" or '
                f'"http://localhost:3000"; is {origin!r}',
            )
    return origins
