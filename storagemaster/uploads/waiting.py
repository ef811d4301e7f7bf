"""Waiting until a photo is ready or has failed, for those who ask for it with their upload."""

import asyncio
from dataclasses import replace

from storagemaster.errors import MasterError
from storagemaster.events.events import Events, TooManyWatchers
from storagemaster.photos.photos import Photos
from storagemaster.wire import Receipt
from volumes.photo_path import PhotoVersion, parse_photo_version

WAIT_SECONDS_MAX = 30
# An event may be lost on its way from another storagemaster; the disks are asked now and then.
ASK_SECONDS = 1.0


async def wait_for_sizes(
    receipt: Receipt, photos: Photos, events: Events, *, wait_seconds: float
) -> Receipt:
    """The receipt with the photo's state, once it is settled or the time is over."""
    photo_version = parse_photo_version(receipt.reference)
    ends = asyncio.get_running_loop().time() + wait_seconds
    try:
        with events.watching() as watch:
            woken = asyncio.Event()
            watch.wake = woken.set
            while True:
                receipt = await _with_state(receipt, photo_version, photos)
                left_seconds = ends - asyncio.get_running_loop().time()
                if receipt.state not in {"pending", "unknown"} or left_seconds <= 0:
                    return receipt
                ask_at = asyncio.get_running_loop().time() + min(ASK_SECONDS, left_seconds)
                while not any(numbered.event.is_of(photo_version) for numbered in watch.numbered):
                    watch.numbered.clear()
                    woken.clear()
                    try:
                        async with asyncio.timeout_at(ask_at):
                            await woken.wait()
                    except TimeoutError:
                        break
                watch.numbered.clear()
    except TooManyWatchers:
        return await _with_state(receipt, photo_version, photos)


async def _with_state(receipt: Receipt, photo_version: PhotoVersion, photos: Photos) -> Receipt:
    try:
        status = await photos.status(photo_version)
    except MasterError:
        # The photo is kept, whatever can be said of its sizes now.
        return replace(receipt, state="unknown")
    return replace(receipt, state=status.state, reason=status.reason)
