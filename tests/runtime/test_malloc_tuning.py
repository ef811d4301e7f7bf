"""Malloc tuning: freed memory is reused."""

import subprocess
import sys

PROGRAM = """
import resource, sys
from runtime.malloc_tuning import tune_malloc
if sys.argv[1] == "kept":
    tune_malloc()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    buffers = [bytearray(3_000_000) for _ in range(4)]
    del buffers
before = faults()
for _ in range(20):
    buffers = [bytearray(3_000_000) for _ in range(4)]
    del buffers
print(faults() - before)
"""
PAGES_A_ROUND = 4 * 3_000_000 // 4096


def _faults(way):
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, way], check=True, capture_output=True, text=True
    )
    return int(finished.stdout)


def test_large_buffers_come_from_memory_that_was_freed():
    """Without the tuning, the kernel clears the pages of each large buffer again."""
    assert _faults("as it comes") > 10 * PAGES_A_ROUND
    assert _faults("kept") < PAGES_A_ROUND
