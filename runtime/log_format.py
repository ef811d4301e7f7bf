"""Log lines of every role, as text or JSON: with time, role, and request id, without secrets.

Every line passes `redact` as a whole, so that no argument, traceback, or library can put a
permission, a token, a ticket, or an upload URL into a log.
"""

import argparse
import json
import logging
import re
import time
from functools import lru_cache
from typing import Any

from runtime.request_scope import current_scope

FORMATS = ("text", "json")
REDACTED = "-"

# The part of a permission, a token, a ticket, a signature, or an upload URL that is secret follows
# a dot. Elsewhere a MAC has the length and the mix of characters that no name in a log line has.
# The character before it is matched as well, because that is the fastest to search for.
_SECRETS = re.compile(
    r"([^A-Za-z0-9_/-])(?=[A-Za-z0-9_-]{24})(?:(?<=\.)[A-Za-z0-9_-]{24,}"
    r"|(?<!\.)(?=[a-z0-9_-]*[A-Z])(?=[A-Z0-9_-]*[a-z])(?=[A-Za-z_-]*[0-9])[\w-]{24}(?![\w-]))"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def redact(text: str) -> str:
    """Return the text without everything that has the shape of a secret.

    >>> redact("GET /3/k7/01jd3x8m2c9qp4k7_3fz8qd_m.a.0.jV5rY0x6bqkzW1tQ2pLm8NcE.jpg")
    'GET /3/k7/01jd3x8m2c9qp4k7_3fz8qd_m.a.0.-.jpg'
    """
    return _SECRETS.sub(rf"\1{REDACTED}", f" {text}")[1:]


class TextFormatter(logging.Formatter):
    """Lines for people: time, level, role, logger, message, and the request."""

    def __init__(self, role: str, id_: str) -> None:
        super().__init__()
        self._origin = f"{role}/{id_}" if id_ else role

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line, and its traceback below it."""
        line = (
            f"{_time_of(record)} {record.levelname} {self._origin} {record.name}: "
            f"{_CONTROL.sub(' ', record.getMessage())}"
        )
        line += "".join([f" {name}={value}" for name, value in _request_fields()])
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return redact(line)


class JsonFormatter(logging.Formatter):
    """Lines for programs: one JSON object for each record."""

    def __init__(self, role: str, id_: str) -> None:
        super().__init__()
        self._origin = {"role": role, "id": id_}

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a JSON object."""
        document: dict[str, Any] = {
            "time": _time_of(record),
            "level": record.levelname.lower(),
            **self._origin,
            "logger": record.name,
            "message": record.getMessage(),
            **dict(_request_fields()),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return redact(json.dumps(document, ensure_ascii=False, default=str))


def add_log_option(parser: argparse.ArgumentParser) -> None:
    """Add the option `--log` to the command line of a role."""
    parser.add_argument(
        "--log", choices=FORMATS, default="text", help="format of log lines (default: text)"
    )


def configure_logs(log_format: str, *, role: str, id_: str) -> None:
    """Send all log lines of this process to stderr in a format."""
    handler = logging.StreamHandler()
    formatter = JsonFormatter if log_format == "json" else TextFormatter
    handler.setFormatter(formatter(role, id_))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # No line has these, and each record would look them up.
    logging._srcfile = None  # noqa: SLF001  # the way of the logging HOWTO
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _time_of(record: logging.LogRecord) -> str:
    return f"{_render_second(int(record.created))}.{int(record.msecs):03d}Z"


@lru_cache(1)
def _render_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _request_fields() -> list[tuple[str, str]]:
    scope = current_scope()
    if scope is None:
        return []
    fields = (("request_id", scope.id), ("caller", scope.caller), ("reference", scope.reference))
    return [field for field in fields if field[1]]
