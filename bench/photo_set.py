"""Set of photos for the read path: stored on a node, and fetched once to check the bytes."""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.photo_bytes import render_photo
from bench.wrk import LoadFailed, run_wrk
from glassplate.local.cluster import LocalCluster
from permission_urls import KeySource, ReadSigner
from runtime.tls.machine_name import Role
from storagenode.client import NodeClient
from storagenode.protocol.layout import Place
from volumes.address import Address
from volumes.cluster import Cluster, Node
from volumes.machines import own_certificate
from volumes.photo_id import mint_photo_id, mint_version
from volumes.photo_path import PhotoVersion, Variant, VolumeId, render_path
from volumes.sizes import size_classes

PHOTOS = 200
# The size of 640 pixels has about this many bytes.
SIZE_LETTER = "z"
BYTES_MIN = 20_000
BYTES_MAX = 60_000

_SEED = 2004
_MTIME_SECONDS = 1_700_000_000


@dataclass(frozen=True, slots=True)
class PhotoOfSet:
    """One photo: its variant, its permission URL, and its bytes."""

    variant: Variant
    url: str
    data: bytes

    def other_names(self, count: int, rng: random.Random) -> list[Variant]:
        """Return new names in the same volume, for the same bytes."""
        volume, letter, ext = self.variant.photo_version.volume, self.variant.size, self.variant.ext
        return [
            Variant(
                PhotoVersion(
                    volume,
                    mint_photo_id(
                        now_milliseconds=_MTIME_SECONDS * 1000, random_bits=rng.getrandbits
                    ),
                    mint_version(rng.getrandbits),
                ),
                letter,
                ext,
            )
            for _ in range(count)
        ]

    @property
    def bare_path(self) -> str:
        """Path on a server without permissions."""
        return f"/{render_path(self.variant)}"


def make_photo_set(cluster: Cluster, keys: KeySource, volume: VolumeId) -> list[PhotoOfSet]:
    """Return the photos of one volume, the same in every run."""
    rng = random.Random(_SEED)
    signer = ReadSigner(keys)
    size_class = size_classes(cluster.sizes)[SIZE_LETTER]
    photos = []
    for number in range(PHOTOS):
        photo = mint_photo_id(
            now_milliseconds=_MTIME_SECONDS * 1000 + number, random_bits=rng.getrandbits
        )
        photo_version = PhotoVersion(volume, photo, mint_version(rng.getrandbits))
        variant = Variant(photo_version, SIZE_LETTER, "jpg")
        url = signer.url(render_path(variant), size_class=size_class)
        data = render_photo(number, rng.randint(BYTES_MIN, BYTES_MAX))
        photos.append(PhotoOfSet(variant, url, data))
    return photos


async def put_photo_set(photos: Sequence[PhotoOfSet], node: Node, local: LocalCluster) -> None:
    """Write the photos to one node, through its write port."""
    async with aiohttp.ClientSession() as session:
        client = NodeClient(
            node.id,
            node.write,
            session,
            local.keys,
            own_certificate(local.cluster, Role.MASTER, "east-master"),
        )
        await _lift_fences(client)
        for photo in photos:
            await client.put(
                Place(photo.variant),
                one_chunk(photo.data),
                mtime_seconds=_MTIME_SECONDS,
                bytes_total=len(photo.data),
            )


async def check_responses(address: Address, expected: Mapping[str, bytes]) -> None:
    """Request every path once, which also warms the cache of the server.

    Raises:
        LoadFailed: A response is not 200 with the expected bytes.
    """
    async with aiohttp.ClientSession() as session:
        for path, data in expected.items():
            async with session.get(f"http://{address}{path}") as response:
                if response.status != 200 or await response.read() != data:
                    raise LoadFailed(f"{address} returned {response.status}, or wrong bytes")


async def photos_per_second(address: Address, paths_file: Path, *, seconds: int) -> float:
    """Return the photos per second of a server.

    Raises:
        LoadFailed: A response was not a photo.
    """
    result = await run_wrk(address, paths_file, seconds=seconds, bytes_each_min=BYTES_MIN)
    return result.per_second


async def _lift_fences(client: NodeClient) -> None:
    """Lift all fences, as a storagemaster does for a node that missed no tombstones."""
    status = await client.status()
    await client.lift_fences(status.fence_serial, list(map(VolumeId, status.fenced)))


async def one_chunk(data: bytes) -> AsyncIterator[bytes]:
    """Yield the data as one chunk of a body."""
    yield data
