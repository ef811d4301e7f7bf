"""Upload every photo of a folder, and print what to remember of each.

`python upload_folder.py cluster.toml FOLDER`. Run again after an interruption it uploads nothing
twice: the key of an upload is the digest of the bytes. Exits 1 if a file was refused.
"""

import asyncio
import hashlib
import sys
from pathlib import Path

from glassplate import Client, Refused

UPLOADS_AT_ONCE = 8


async def upload_all(config: str, files: list[Path]) -> int:
    """How many files were refused."""
    room = asyncio.Semaphore(UPLOADS_AT_ONCE)
    async with Client.from_cluster(config) as client:

        async def upload(file: Path) -> bool:
            async with room:
                data = await asyncio.to_thread(file.read_bytes)
                key = hashlib.sha256(data).hexdigest()
                try:
                    receipt = await client.put(data, idempotency_key=key)
                except Refused as refused:
                    print(f"{file.name}: {refused}", file=sys.stderr)
                    return False
                print(receipt.reference, file.name, flush=True)
                return True

        kept = await asyncio.gather(*map(upload, files))
    return kept.count(False)


if __name__ == "__main__":
    found = sorted(file for file in Path(sys.argv[2]).iterdir() if file.is_file())
    sys.exit(1 if asyncio.run(upload_all(sys.argv[1], found)) else 0)
