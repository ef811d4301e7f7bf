"""Waiting until a photo is ready or has failed, for uploads that request it."""

import asyncio
from dataclasses import replace

from storagemaster.errors import MasterError
from storagemaster.events.events import Events, TooManyWatchers
from storagemaster.photos.photos import Photos
from storagemaster.wire import Receipt
from volumes.photo_path import PhotoVersion, parse_photo_version
from volumes.version_files import UNFINISHED_STATES, VersionState

WAIT_SECONDS_MAX = 30
# Events of other storagemasters can be lost, so the mirrors are also polled.
POLL_SECONDS = 1.0


async def wait_for_sizes(
    receipt: Receipt, photos: Photos, events: Events, *, wait_seconds: float
) -> Receipt:
    """Return the receipt with the photo's state once it is final, or after `wait_seconds`."""
    photo_version = parse_photo_version(receipt.reference)
    ends = asyncio.get_running_loop().time() + wait_seconds
    try:
        with events.watching() as watch:
            woken = asyncio.Event()
            watch.wake = woken.set
            while True:
                receipt = await _with_state(receipt, photo_version, photos)
                left_seconds = ends - asyncio.get_running_loop().time()
                if receipt.state not in UNFINISHED_STATES or left_seconds <= 0:
                    return receipt
                poll_at = asyncio.get_running_loop().time() + min(POLL_SECONDS, left_seconds)
                while not any(numbered.event.is_of(photo_version) for numbered in watch.numbered):
                    watch.numbered.clear()
                    woken.clear()
                    try:
                        async with asyncio.timeout_at(poll_at):
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
        # The photo is stored, even if its state is not known now.
        return replace(receipt, state=VersionState.UNKNOWN.value)
    return replace(receipt, state=status.state, reason=status.reason)
