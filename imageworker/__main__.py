"""Command line of one image worker: `python -m imageworker --config cluster.toml --colo east`."""

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from permission_urls import FollowedKeys, KeyRingError
from runtime.extras import needs_packages
from runtime.log_format import add_log_option, configure_logs
from runtime.tls.certificate import CertificateRefused
from runtime.tls.machine_name import Role
from volumes.address import InvalidAddress, parse_address
from volumes.cluster import Colo
from volumes.config.config_reader import InvalidConfig
from volumes.config.followed_cluster import FollowedCluster
from volumes.machines import own_certificate

with needs_packages("imageworker"):
    import redis

    from imageworker.app import SizesWorker, sizes_workers
    from imageworker.queue.metrics import JobMetrics
    from storagemaster.map_client import MapFollower

RECONNECT_SECONDS = 1.0
METRICS_ADDRESS = "127.0.0.1:9170"

log = logging.getLogger("imageworker")


def main() -> int:
    """Process jobs until SIGTERM or SIGINT; return 2 if the worker cannot start."""
    parser = argparse.ArgumentParser(prog="imageworker", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="path of cluster.toml")
    parser.add_argument("--colo", required=True, help="colo to read originals from first")
    parser.add_argument(
        "--metrics",
        metavar="HOST:PORT",
        default=METRICS_ADDRESS,
        help="address that serves GET /metrics, or off; the next free port if it is in use "
        "(default: %(default)s)",
    )
    add_log_option(parser)
    arguments = parser.parse_args()
    configure_logs(arguments.log, role="imageworker", id_=f"{arguments.colo}-{os.getpid()}")
    try:
        followed = FollowedCluster(arguments.config)
        cluster = followed.now()
        keys, colo = FollowedKeys(Path(cluster.keys_file)), Colo(arguments.colo)
        certificate = own_certificate(cluster, Role.WORKER, colo)
        signal.signal(signal.SIGHUP, lambda *_: keys.check_now())
        metrics = JobMetrics()
        if arguments.metrics != "off":
            metrics.serve(parse_address(arguments.metrics))
    except (CertificateRefused, InvalidConfig, InvalidAddress, KeyRingError, OSError) as error:
        sys.stderr.write(f"imageworker: {error}\n")
        return 2
    with (
        MapFollower(arguments.config, keys, colo=colo, certificate=certificate).running(),
        sizes_workers(followed.now, keys, colo=colo, metrics=metrics) as new_worker,
    ):
        work_until_stopped(new_worker)
    return 0


def work_until_stopped(new_worker: Callable[[], SizesWorker]) -> None:
    """Work until a signal stops the worker, and wait while the queue server is unavailable."""
    while True:
        worker = None
        try:
            # A new worker already sends its first heartbeat to the queue server.
            worker = new_worker()
            worker.work(with_scheduler=False, logging_level="WARNING")
        except redis.RedisError as error:
            log.warning("the queue server is unavailable: %s", error)
            if worker is not None and worker.stop_requested:
                return
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: sys.exit(0))
            time.sleep(RECONNECT_SECONDS)
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
