"""Upload every photo of a folder, and print the reference of each.

Usage: `python upload_folder.py cluster.toml FOLDER`. A second run uploads nothing twice: the
idempotency key of an upload is the digest of its bytes. The exit status is 1 after a rejected file.
"""

import asyncio
import hashlib
import sys
from pathlib import Path

from glassplate import Client, Refused

CONCURRENT_UPLOADS = 8


async def upload_all(config: str, files: list[Path]) -> int:
    """Upload files, and return the number of rejected ones."""
    semaphore = asyncio.Semaphore(CONCURRENT_UPLOADS)
    async with Client.from_cluster(config) as client:

        async def upload(file: Path) -> bool:
            async with semaphore:
                data = await asyncio.to_thread(file.read_bytes)
                key = hashlib.sha256(data).hexdigest()
                try:
                    receipt = await client.put(data, idempotency_key=key)
                except Refused as error:
                    print(f"{file.name}: {error}", file=sys.stderr)
                    return False
                print(receipt.reference, file.name, flush=True)
                return True

        stored = await asyncio.gather(*map(upload, files))
    return stored.count(False)


if __name__ == "__main__":
    found = sorted(file for file in Path(sys.argv[2]).iterdir() if file.is_file())
    sys.exit(1 if asyncio.run(upload_all(sys.argv[1], found)) else 0)
