"""Ten sizes of a 12-megapixel photo, against plain Pillow and against libvips.

A last figure is for photos through the whole chain (see `photo_chain`). The other figures are in
processor seconds, and libvips uses one thread, so that they compare work and not cores. All make
the same sizes with the same JPEG settings. Glassplate also makes the placeholders, the digests, and
the info document. libvips is optional: the `vipsthumbnail` command, and the Python binding
`pyvips`, which starts no process.
"""

import asyncio
import dataclasses
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench import photo_chain
from bench.figures import Figure, compare, report
from bench.ten_sizes import RECIPE, naive_pass, render_test_photo
from imageworker.make_sizes import make_sizes
from imageworker.recipe import JpegSetting
from imageworker.sandbox.child import SizesMaker
from volumes.sizes import Size

NAIVE_FLOOR = 3.0
VIPS_FLOOR = 1.4
# libvips is fastest with one decode for all sizes.
CASCADE_FLOOR = 1.0
RUNS = 7

_COMMAND = "vipsthumbnail"
_SOURCE_FACTOR_MIN = 1.5


def main() -> int:
    """Measure against every installed library, and return the exit status."""
    # libvips reads this variable only when it is loaded.
    os.environ["VIPS_CONCURRENCY"] = "1"
    original = render_test_photo()
    figures = [_against("one naive Pillow pass each", NAIVE_FLOOR, original, naive_pass)]
    if shutil.which(_COMMAND):
        with _photo_file(original) as path:
            figures.append(
                _against_seconds(
                    "the vipsthumbnail command, each from the file",
                    VIPS_FLOOR,
                    original,
                    lambda: seconds_of_vips_command(path),
                )
            )
    else:
        _log(f"skipped {_COMMAND}: not installed (apt-get install libvips-tools)")
    if find_spec("pyvips") is not None:
        figures += [
            _against("pyvips, each from the file", VIPS_FLOOR, original, vips_from_file),
            _against("pyvips, all from one decode", CASCADE_FLOOR, original, vips_cascade),
        ]
    else:
        _log("skipped pyvips: not installed (pip install 'pyvips[binary]')")
    figures[0].detail.update(child_use(original))
    figures.append(asyncio.run(photo_chain.measure()))
    return report("images", figures)


def our_pass(original: bytes) -> object:
    """Make every size and the info document."""
    return make_sizes(original, recipe=RECIPE)


def child_use(original: bytes) -> dict[str, float]:
    """Return the peak memory and the time of a sandboxed child for the same photo."""
    with SizesMaker() as maker:
        for _ in range(3):
            maker.make(original, RECIPE)
        assert maker.last_exit is not None
        return {
            "child_peak_mib": round(maker.last_exit.memory_bytes_peak / 1024**2, 1),
            "child_cpu_seconds": round(maker.last_exit.cpu_seconds, 3),
            "child_wall_seconds": round(maker.last_exit.elapsed_seconds, 3),
        }


def vips_from_file(original: bytes) -> None:
    """Make each size with libvips from the bytes. Its JPEG reader shrinks while it decodes."""
    pyvips = import_module("pyvips")
    for size in RECIPE.sizes:
        edge = size.edge_pixels
        small = pyvips.Image.thumbnail_buffer(original, edge, height=edge, size="down")
        _vips_encode(small, size)


def vips_cascade(original: bytes) -> None:
    """Decode once with libvips; make each size from the smallest size that is large enough."""
    pyvips = import_module("pyvips")
    made: dict[int, Any] = {}
    for size in sorted(RECIPE.sizes, key=lambda each: -each.edge_pixels):
        edge = size.edge_pixels
        sources = [larger for larger in made if larger >= edge * _SOURCE_FACTOR_MIN]
        if made:
            source = made[min(sources)] if sources else made[max(made)]
            small = source.thumbnail_image(edge, height=edge)
        else:
            small = pyvips.Image.thumbnail_buffer(original, edge, height=edge, size="down")
        made[edge] = small.copy_memory()
        _vips_encode(made[edge], size)


def seconds_of_vips_command(photo: Path) -> float:
    """Return the processor seconds of `vipsthumbnail` runs from the file, one for each size."""
    before = _seconds_of_children()
    for size in RECIPE.sizes:
        edge, setting = size.edge_pixels, RECIPE.jpeg_for(size.edge_pixels)
        output = (
            f"{photo.parent}/{size.letter}.jpg[Q={setting.quality},strip,{_vips_mode(setting)}]"
        )
        subprocess.run([_COMMAND, photo, "-s", f"{edge}x{edge}", "-o", output], check=True)
    return _seconds_of_children() - before


def _against(
    name: str, floor: float, original: bytes, baseline: Callable[[bytes], object]
) -> Figure:
    return _against_seconds(name, floor, original, lambda: _cpu_seconds(baseline, original))


def _against_seconds(
    name: str, floor: float, original: bytes, baseline: Callable[[], float]
) -> Figure:
    figure = compare(
        f"ten sizes of 12 megapixels, against {name}",
        floor,
        lambda: _cpu_seconds(our_pass, original),
        baseline,
        runs=RUNS,
        higher_is_better=False,
    )
    return dataclasses.replace(figure, detail=figure.detail | {"unit": "processor seconds"})


def _cpu_seconds(work: Callable[[bytes], object], original: bytes) -> float:
    started = time.process_time()
    work(original)
    return time.process_time() - started


def _seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _vips_encode(pixels: Any, size: Size) -> None:
    setting = RECIPE.jpeg_for(size.edge_pixels)
    pixels.jpegsave_buffer(
        Q=setting.quality,
        keep="none",
        optimize_coding=setting.optimize,
        subsample_mode="off" if setting.subsampling == "4:4:4" else "on",
    )


def _vips_mode(setting: JpegSetting) -> str:
    mode = "off" if setting.subsampling == "4:4:4" else "on"
    return f"subsample_mode={mode}{',optimize_coding' if setting.optimize else ''}"


@contextmanager
def _photo_file(original: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        path.write_bytes(original)
        yield path


def _log(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
