"""What the worker and the fork server say to each other about a child: the request and the end."""

from dataclasses import dataclass

from imageworker.recipe import Recipe

PACKET_BYTES_MAX = 65_536


@dataclass(frozen=True, slots=True)
class Request:
    """What a child is to make of the original it is handed."""

    recipe: Recipe
    is_second_pass: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildExit:
    """How a child ended, and what it used: its wait status, and whether the clock ran out first."""

    status: int
    is_timed_out: bool
    memory_bytes_peak: int
    cpu_seconds: float
    elapsed_seconds: float
