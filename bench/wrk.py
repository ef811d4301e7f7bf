"""Runs wrk, a load generator in C that is never the bottleneck, over a list of paths."""

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
    """What wrk counted in one run. `failed` are broken connections and statuses of 400 and up."""

    requests: int
    microseconds: int
    bytes: int
    failed: int

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return self.requests * 1e6 / self.microseconds

    @property
    def bytes_each(self) -> float:
        """Bytes of a response, its head included, on average."""
        return self.bytes / self.requests


class LoadFailed(Exception):
    """A run met errors, or answers that are not the photos, so that its rate says nothing."""


async def run_wrk(
    address: Address, paths_file: Path, *, seconds: int, bytes_each_min: int
) -> WrkResult:
    """Ask one server for the paths in a file, over and over.

    Raises:
        LoadFailed: wrk did not run, a request failed, or answers were shorter than they can be.
    """
    process = await asyncio.create_subprocess_exec(
        *("wrk", f"-t{THREADS}", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(_SCRIPT)),
        *(f"http://{address}", "--", str(paths_file), str(THREADS)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise LoadFailed(f"wrk ended with {process.returncode}: {output.decode(errors='replace')}")
    result = parse_wrk(output.decode())
    if result.failed or not result.requests:
        raise LoadFailed(f"{result.failed} of {result.requests} requests to {address} failed")
    if result.bytes_each < bytes_each_min:
        raise LoadFailed(f"{address} sent {result.bytes_each:.0f} bytes for a photo")
    return result


def parse_wrk(output: str) -> WrkResult:
    """What the script's last line says.

    Raises:
        LoadFailed: There is no such line.
    """
    try:
        return WrkResult(**json.loads(output.strip().rpartition("\n")[2]))
    except (ValueError, TypeError) as error:
        raise LoadFailed(f"wrk said nothing of a result: {output}") from error


def write_paths(file: Path, paths: Sequence[str]) -> Path:
    """A file of paths for `run_wrk`, and its name again."""
    file.write_text("".join(f"{path}\n" for path in paths))
    return file
