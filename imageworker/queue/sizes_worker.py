"""The RQ worker that runs sizes jobs, and leaves the jobs of dead workers to the storagemasters."""

from types import FrameType

from rq import SimpleWorker, worker_registration
from rq.registry import FailedJobRegistry
from rq.utils import now


class SizesWorker(SimpleWorker):
    """An RQ worker that does not take dead workers' jobs for failed: their deaths are counted."""

    stop_requested = False
    """Whether a signal has come, also when the queue was away and RQ forgot it over that."""

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Note the signal, and stop as RQ does."""
        self.stop_requested = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]  # RQ has no types here

    def clean_registries(self) -> None:
        """Forget failures that are old, and workers that are gone."""
        for queue in self.queues:
            FailedJobRegistry(queue=queue).cleanup()
            worker_registration.clean_worker_registry(queue)
        self.last_cleaned_at = now()  # type: ignore[assignment]  # RQ says None, and means later
