"""wrk over a list of paths. This load generator in C is never the bottleneck."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from volumes.address import Address

THREADS = 2
CONNECTIONS = 32

_SCRIPT = Path(__file__).with_name("cycle_paths.lua")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrkResult:
    """Counters of one run of wrk. `failed` counts broken connections and statuses from 400."""

    requests: int
    microseconds: int
    bytes: int
    failed: int

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return self.requests * 1e6 / self.microseconds

    @property
    def bytes_each(self) -> float:
        """Average bytes of a response, including its head."""
        return self.bytes / self.requests


class LoadFailed(Exception):
    """A run had errors or wrong responses, so that its rate is invalid."""


async def run_wrk(
    address: Address, paths_file: Path, *, seconds: int, bytes_each_min: int
) -> WrkResult:
    """Request the paths in a file from one server, repeatedly.

    Raises:
        LoadFailed: wrk did not run, a request failed, or the responses were too short.
    """
    process = await asyncio.create_subprocess_exec(
        *("wrk", f"-t{THREADS}", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(_SCRIPT)),
        *(f"http://{address}", "--", str(paths_file), str(THREADS)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise LoadFailed(f"wrk exited with {process.returncode}: {output.decode(errors='replace')}")
    result = parse_wrk(output.decode())
    if result.failed or not result.requests:
        raise LoadFailed(f"{result.failed} of {result.requests} requests to {address} failed")
    if result.bytes_each < bytes_each_min:
        raise LoadFailed(f"{address} sent only {result.bytes_each:.0f} bytes per photo")
    return result


def parse_wrk(output: str) -> WrkResult:
    """Parse the last line of the script's output.

    Raises:
        LoadFailed: The output has no result.
    """
    try:
        return WrkResult(**json.loads(output.strip().rpartition("\n")[2]))
    except (ValueError, TypeError) as error:
        raise LoadFailed(f"the output of wrk has no result: {output}") from error


def write_paths(file: Path, paths: Sequence[str]) -> Path:
    """Write a file of paths for `run_wrk`, and return its path."""
    file.write_text("".join(f"{path}\n" for path in paths))
    return file
