"""Marks of the changes that this process makes to names on a disk."""


class Changes:
    """The mark of each folder directly below a root, and of each shard: a folder below that one.

    Every change below a folder replaces its mark. A mark that was read before a look at the disk
    proves, while it is the same, that this process has changed nothing since. No other process uses
    the root.
    """

    def __init__(self) -> None:
        self._folders: dict[str, object] = {}
        self._shards: dict[str, dict[str, object]] = {}

    def mark_of(self, folder: str) -> object:
        """Return the mark of a folder, which is comparable by identity."""
        return self._folders.get(folder)

    def mark_of_shard(self, folder: str, shard: str) -> object:
        """Return the mark of a shard, which is comparable by identity."""
        shards = self._shards.get(folder)
        # Until a shard has a mark of its own, the marks of all shards of the folder are its mark.
        return None if shards is None else shards.get(shard, shards)

    def note(self, path: str) -> None:
        """Replace the marks of the folder and of the shard of a path, or of all its shards.

        Call this after a change, also a failed one.
        """
        folder, _, below = path.partition("/")
        shard, _, _ = below.partition("/")
        # The shard first: an answer under the new mark of the folder is never from an old shard.
        if shard:
            self._shards.setdefault(folder, {})[shard] = object()
        else:
            self._shards[folder] = {}
        self._folders[folder] = object()
