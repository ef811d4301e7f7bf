"""The steps of a photo's journey, each against a minimal implementation of the same step.

`python -m bench.journey` measures the write path, the sizes, reads of a node, and hits of an edge.
It takes about three minutes, and exits 1 if a median is below its floor.
"""

import asyncio
import sys

from bench import edge_hits, ingest, node_reads, ten_sizes
from bench.figures import Figure, report


def main() -> int:
    """Measure everything, and return the exit status."""
    return report("journey", asyncio.run(_measure_all()))


async def _measure_all() -> list[Figure]:
    print("Measuring durable ingest", file=sys.stderr)
    figures = await ingest.measure()
    print("Measuring the making of sizes", file=sys.stderr)
    figures.append(await ten_sizes.measure())
    print("Measuring verified reads", file=sys.stderr)
    figures.append(await node_reads.measure())
    print("Measuring hits of the edge", file=sys.stderr)
    figures.append(await edge_hits.measure())
    return figures


if __name__ == "__main__":
    sys.exit(main())
