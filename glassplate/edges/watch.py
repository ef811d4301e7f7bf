"""Keeping an edge at what the config and the keys of its cluster say, for as long as it runs.

Whatever is wrong with either is told and changes nothing: the edge goes on with what it has.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from glassplate.edges.reload import ReloadFailed
from glassplate.edges.rendered_edge import ConfigRejected, RenderedEdge, write_edge
from permission_urls import KeyRingError
from volumes.cluster_file import load_cluster
from volumes.config_reader import InvalidConfig

POLL_SECONDS = 0.5


@dataclass(slots=True)
class EdgeWatch:
    """Follows the config of a cluster, and the key file that it names."""

    cluster_path: Path
    render: Callable[[], RenderedEdge]
    folder: Path
    check: bool
    report: Callable[[str], None]
    _seen: tuple[bytes, bytes] | None = None
    _told: str = ""

    def run(self) -> None:
        """Look for ever, until the program is interrupted."""
        while True:
            self.check_for_changes()
            time.sleep(POLL_SECONDS)

    def check_for_changes(self) -> None:
        """Bring the edge up to date, if what it is made of is not what it was."""
        try:
            found = self._sources()
            if found == self._seen:
                return
            edge = self.render()
            is_new = not _is_written(edge, self.folder)
            if is_new:
                write_edge(edge, self.folder, check=self.check)
        except (
            click.ClickException,
            ConfigRejected,
            InvalidConfig,
            KeyRingError,
            OSError,
        ) as error:
            self._tell_once(str(error))
            return
        self._seen, self._told = found, ""
        if is_new:
            self._reload(edge)

    def _reload(self, edge: RenderedEdge) -> None:
        try:
            edge.reload(str(self.folder))
        except ReloadFailed as error:
            self.report(f"written, and not reloaded: {error}")
        else:
            self.report("written, and reloaded")

    def _sources(self) -> tuple[bytes, bytes]:
        keys_file = load_cluster(self.cluster_path).keys_file
        return self.cluster_path.read_bytes(), Path(keys_file).read_bytes()

    def _tell_once(self, what: str) -> None:
        if what != self._told:
            self.report(f"left as it is: {what}")
        self._told = what


def _is_written(edge: RenderedEdge, folder: Path) -> bool:
    return all(
        (folder / name).exists() and (folder / name).read_text() == text
        for name, text in edge.files.items()
    )
