"""What a node says of many photos in one answer, so that a page of them is one question."""

from storagenode.protocol import wire
from storagenode.protocol.errors import BadRequest
from storagenode.store import Store
from volumes.photo_path import Info, render_path


def lookup_digests(store: Store, body: bytes) -> dict[str, str]:
    """The digest noted on each of the files that the body names, by path, of those that are here.

    Raises:
        BadRequest: The body does not name files.
        NotAMirror: One of them is of a volume that is not here.
    """
    files = wire.parse_paths(body, count_max=wire.LOOKUP_FILES_MAX)
    return {render_path(file): digest for file, digest in store.digests(files).items()}


def lookup_infos(store: Store, body: bytes) -> bytes:
    """The infos that the body names, those that are here and sound, as a bundle.

    Raises:
        BadRequest: The body does not name infos.
    """
    files = wire.parse_paths(body, count_max=wire.INFOS_MAX)
    if not all(isinstance(file, Info) for file in files):
        raise BadRequest("only infos are sent many at once")
    return wire.render_bundle(
        wire.BundledFile(render_path(file), digest, data)
        for file, (data, digest) in store.read_all(files).items()
    )
