"""A real node and real edges of both kinds, which must respond alike."""

import contextlib
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from permission_urls import Key, KeyRing, KeyState, Purpose, generate_keys, save_keys
from storagenode.disk.marker import mark_root
from storagenode.protocol.layout import Place
from tests.edge_servers import RunningEdge, running_nginx, running_varnish
from tests.free_ports import free_port
from tests.proxy_config.edge_requests import GOLDEN_URLS, READ_KEYS, sign
from tests.storagenode.photo_samples import bytes_of, variant_of, version_of
from tests.storagenode.served_site import ServedNode, Site, serving
from volumes.address import Address
from volumes.cluster import NodeId
from volumes.config.cluster_file import load_cluster
from volumes.photo_path import Variant, render_path

TARGETS = ("node", "nginx", "varnish")
NODES = (("east-1", "east"), ("west-1", "west"))
PHOTO_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo that both nodes have."""

    path: str
    data: bytes

    def url(self, *, expiry: int = 0) -> str:
        """Return a permission URL of the photo."""
        return sign(self.path, expiry=expiry)


class ReadTargets:
    """Targets of the same request: the node, and each edge."""

    def __init__(
        self, keys: KeyRing, nodes: dict[str, ServedNode], edges: dict[str, RunningEdge]
    ) -> None:
        self.keys = keys
        self.nodes = nodes
        self.edges = edges
        self._numbers = itertools.count()

    def address(self, target: str) -> Address:
        """Return the address of a target."""
        if target == "node":
            return self.nodes["east-1"].node.read
        return self.edges[target].address

    def new_photo(self, *, size: int = PHOTO_BYTES) -> Photo:
        """Store a photo that no request has read yet."""
        place = variant_of(version_of(next(self._numbers)), "m")
        assert isinstance(place.file, Variant)
        path = render_path(place.file)
        data = bytes_of(path, size=size)
        for node in self.nodes.values():
            node.put(Place(place.file), data)
        return Photo(path, data)


@contextlib.contextmanager
def running_targets(folder: Path) -> Iterator[ReadTargets]:
    """Run two nodes and an edge of each kind until the block exits."""
    site = make_site(folder)
    with (
        serving(site, [id_ for id_, _ in NODES]) as nodes,
        running_nginx(site.cluster, "nginx", READ_KEYS) as nginx,
        running_varnish(site.cluster, "varnish", READ_KEYS) as varnish,
    ):
        yield ReadTargets(site.keys, nodes, {"nginx": nginx, "varnish": varnish})


def make_site(folder: Path) -> Site:
    """Return a cluster with the keys of the golden URLs."""
    text = 'public_url = "http://photos.test"\nkeys_file = "keys.toml"\nqueue_url = "redis://x"\n'
    for id_, colo in NODES:
        text += f'[nodes.{id_}]\ncolo = "{colo}"\nstore = "{id_}"\n'
        text += f'read = "127.0.0.1:{free_port()}"\nwrite = "127.0.0.1:{free_port()}"\n'
    text += '[[volumes]]\nnumbers = "42"\nmirrors = ["east-1", "west-1"]\n'
    text += f'[masters.one]\ncolo = "east"\naddress = "127.0.0.1:{free_port()}"\n'
    for kind in ("nginx", "varnish"):
        text += f'[edges.{kind}]\ncolo = "east"\nkind = "{kind}"\n'
        text += f'listen = "127.0.0.1:{free_port()}"\npurge = "127.0.0.1:{free_port()}"\n'
    (folder / "cluster.toml").write_text(text)
    ring = KeyRing(
        keys=tuple(
            Key(key_id=k["id"], secret=bytes.fromhex(k["secret"]), state=KeyState(k["state"]))
            for k in GOLDEN_URLS["keys"]
        )
    )
    keys = generate_keys(random.Random(1).randbytes).with_ring(Purpose.READ, ring)
    save_keys(folder / "keys.toml", keys)
    cluster = load_cluster(folder / "cluster.toml")
    for id_, _ in NODES:
        node = cluster.nodes[NodeId(id_)]
        mark_root(Path(node.store), node)
    return Site(folder / "cluster.toml", cluster, keys)
