"""An image worker process with frequent heartbeats, for tests.

Two photos damage it on purpose, like an unknown fault of a decoder. A photo with
CRASHES_ITS_DECODER in its bytes kills the child every time. A photo with KILLS_ITS_WORKER kills the
worker. GLASSPLATE_SOUND_DECODER disables both. The worker appends the path of every photo it takes
to the file in GLASSPLATE_TAKEN, and delays each photo.
"""

import asyncio
import os
import signal
import sys

from storagemaster import job_wire

CRASHES_ITS_DECODER = b"crashes its decoder"
KILLS_ITS_WORKER = b"kills its worker"
PAUSE_SECONDS = 0.05


def main():
    """Run a worker with the arguments of `python -m imageworker`."""
    job_wire.HEARTBEAT_SECONDS = 0.3
    job_wire.HEARTBEAT_TTL_SECONDS = int(os.environ["GLASSPLATE_HEARTBEAT_TTL"])

    from imageworker.__main__ import main as run_worker
    from imageworker.processing_errors import DecoderCrashed
    from imageworker.queue.jobs import SizesJob
    from imageworker.sandbox.child import SizesMaker

    taken = os.open(os.environ["GLASSPLATE_TAKEN"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    make, run = SizesMaker.make, SizesJob.run

    async def run_and_note(self, path, signature, **options):
        os.write(taken, f"{path}\n".encode())
        await asyncio.sleep(PAUSE_SECONDS)
        return await run(self, path, signature, **options)

    def make_or_suffer(self, original, recipe):
        if KILLS_ITS_WORKER in original:
            os.kill(os.getpid(), signal.SIGKILL)
        if CRASHES_ITS_DECODER in original and "GLASSPLATE_SOUND_DECODER" not in os.environ:
            raise DecoderCrashed("the decoder crashed (signal 11)")
        return make(self, original, recipe)

    SizesMaker.make, SizesJob.run = make_or_suffer, run_and_note
    return run_worker()


if __name__ == "__main__":
    sys.exit(main())
