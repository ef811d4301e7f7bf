"""Config and key files, loaded with the errors of the client."""

from pathlib import Path
from typing import TYPE_CHECKING

from glassplate.errors import BadConfig

if TYPE_CHECKING:
    from permission_urls import KeySource
    from volumes.cluster import Cluster


def load_config(path: Path) -> "Cluster":
    """Load a `cluster.toml`.

    Raises:
        BadConfig: The config is invalid, or cannot be read.
    """
    from volumes.config.cluster_file import load_cluster
    from volumes.config.config_reader import InvalidConfig

    try:
        return load_cluster(path)
    except InvalidConfig as error:
        raise BadConfig(str(error)) from error
    except OSError as error:
        raise BadConfig(f"cannot read {path}: {error.strerror}") from error


def load_key_file(path: Path | str) -> "KeySource":
    """Return the keys of a file, which follow its changes.

    Raises:
        BadConfig: The file is invalid, or cannot be read.
    """
    from permission_urls import FollowedKeys, KeyRingError

    try:
        return FollowedKeys(Path(path))
    except KeyRingError as error:
        raise BadConfig(str(error)) from error
