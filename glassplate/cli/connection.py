"""From the options all commands share to a client of the cluster they mean."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from glassplate.client import Client
from glassplate.errors import BadConfig

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

    def run(self, work: Callable[[Client], Awaitable[_Result]]) -> _Result:
        """Do something with an open client."""
        import asyncio

        async def run() -> _Result:
            async with self.client() as client:
                return await work(client)

        return asyncio.run(run())
