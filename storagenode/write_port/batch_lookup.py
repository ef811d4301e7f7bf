"""Lookups of many files in one request."""

from storagenode.protocol import wire
from storagenode.protocol.errors import BadRequest
from storagenode.store import Store
from volumes.photo_path import Info, render_path


def lookup_digests(store: Store, body: bytes) -> dict[str, str]:
    """Return the recorded digest of each requested file on this node, by path.

    Raises:
        BadRequest: The body is not a list of paths.
        NotAMirror: This node is not a mirror of the volume of a file.
    """
    files = wire.parse_paths(body, count_max=wire.LOOKUP_FILES_MAX)
    return {render_path(file): digest for file, digest in store.digests(files).items()}


def lookup_infos(store: Store, body: bytes) -> bytes:
    """Return the requested infos that are on this node and sound, as a bundle.

    Raises:
        BadRequest: The body is not a list of paths of infos.
    """
    files = wire.parse_paths(body, count_max=wire.INFOS_MAX)
    if not all(isinstance(file, Info) for file in files):
        raise BadRequest("invalid list of infos: it has paths of other files")
    return wire.render_bundle(
        wire.BundledFile(render_path(file), digest, data)
        for file, (data, digest) in store.read_all(files).items()
    )
