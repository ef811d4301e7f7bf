"""Marks of the changes that this process makes to names on a disk."""


class Changes:
    """The mark of each folder directly below a root, which every change below it replaces.

    A mark that was read before a look at the disk proves, while it is the same, that this process
    has changed nothing since. No other process uses the root.
    """

    def __init__(self) -> None:
        self._marks: dict[str, object] = {}

    def mark_of(self, folder: str) -> object:
        """Return the mark of a folder, which is comparable by identity."""
        return self._marks.get(folder)

    def note(self, path: str) -> None:
        """Replace the mark of the folder of a path. Call this after a change, also a failed one."""
        self._marks[path.partition("/")[0]] = object()
