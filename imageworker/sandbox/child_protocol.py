"""Messages between the worker and the fork server: the request, and the exit of the child."""

from dataclasses import dataclass

from imageworker.recipe import Recipe

PACKET_BYTES_MAX = 65_536


@dataclass(frozen=True, slots=True)
class Request:
    """Request for one child. The original and the result pipe are passed as descriptors."""

    recipe: Recipe
    is_second_pass: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildExit:
    """Exit of a child: its wait status, whether it timed out, and the resources it used."""

    status: int
    is_timed_out: bool
    memory_bytes_peak: int
    cpu_seconds: float
    elapsed_seconds: float
