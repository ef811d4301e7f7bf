"""The options that all commands share, and the client that they describe."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from glassplate.client import Client
from glassplate.errors import BadConfig
from glassplate.session.config_files import load_config
from volumes.cluster import Cluster

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The address and the credentials of a cluster."""

    cluster_path: Path
    cluster_is_chosen: bool
    """True if the user named the config, so that it must exist."""
    urls: tuple[str, ...]
    token: str | None

    def client(self) -> Client:
        """Return a client, not yet opened.

        Raises:
            BadConfig: The config is invalid, or it is missing and no URL replaces it.
        """
        if self.cluster_path.exists():
            return Client.from_cluster(self.cluster_path, masters=self.urls, token=self.token)
        if self.urls and not self.cluster_is_chosen:
            return Client(self.urls, token=self.token)
        raise BadConfig(
            f"config not found: {self.cluster_path}\n"
            "Create a cluster with `glassplate up`, or pass --cluster or GLASSPLATE_CLUSTER."
        )

    def cluster(self) -> Cluster:
        """Load the cluster's config.

        Raises:
            BadConfig: The config is missing or invalid.
        """
        return load_config(self.cluster_path)

    def run(self, work: Callable[[Client], Awaitable[_Result]]) -> _Result:
        """Run work with an open client, and return its result."""
        import asyncio

        async def run() -> _Result:
            async with self.client() as client:
                return await work(client)

        return asyncio.run(run())
