"""From the options all commands share to a client of the cluster they mean."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from glassplate.client import Client
from glassplate.errors import BadConfig
from volumes.cluster import Cluster

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Which cluster is meant, and what opens it."""

    cluster_path: Path
    cluster_is_chosen: bool
    """Whether somebody named the config, so that it has to be there."""
    urls: tuple[str, ...]
    token: str | None

    def client(self) -> Client:
        """A client, not yet opened.

        Raises:
            BadConfig: The config is missing or has mistakes, and no URL stands in for it.
        """
        if self.cluster_path.exists():
            return Client.from_cluster(self.cluster_path, masters=self.urls, token=self.token)
        if self.urls and not self.cluster_is_chosen:
            return Client(self.urls, token=self.token)
        raise BadConfig(
            f"there is no {self.cluster_path}\n"
            "`glassplate up` makes one; --cluster or GLASSPLATE_CLUSTER names another."
        )

    def cluster(self) -> Cluster:
        """The cluster's config, for what only that can say.

        Raises:
            BadConfig: It is missing, or has mistakes.
        """
        from volumes.cluster_file import load_cluster
        from volumes.config_reader import InvalidConfig

        try:
            return load_cluster(self.cluster_path)
        except InvalidConfig as error:
            raise BadConfig(f"{self.cluster_path}: {error}") from error
        except OSError as error:
            raise BadConfig(f"{self.cluster_path} cannot be read: {error.strerror}") from error

    def run(self, work: Callable[[Client], Awaitable[_Result]]) -> _Result:
        """Do something with an open client."""
        import asyncio

        async def run() -> _Result:
            async with self.client() as client:
                return await work(client)

        return asyncio.run(run())
