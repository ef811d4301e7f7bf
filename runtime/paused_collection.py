"""A pause of the garbage collector, for the creation of many objects at once."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def paused_collection() -> Iterator[None]:
    """Search no objects for reference cycles until the block exits.

    The collector would search all objects again and again while their number grows.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
