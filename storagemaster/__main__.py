"""Command-line entry point: `python -m storagemaster --config cluster.toml --master m1`."""

import argparse
import asyncio
import signal
import sys
from functools import partial
from pathlib import Path

from permission_urls import FollowedKeys, KeyRingError, RevokedTokens
from runtime.extras import needs_packages
from runtime.log_format import add_log_option, configure_logs
from runtime.malloc_tuning import tune_malloc
from volumes.cluster import Cluster, Master
from volumes.config.cluster_file import MAP_NAME, load_cluster, save_map
from volumes.config.config_reader import InvalidConfig

with needs_packages("storagemaster"):
    import uvloop

    from storagemaster.app import running_master


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit status, which is 2 if the start fails."""
    parser = argparse.ArgumentParser(prog="storagemaster", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="path of cluster.toml")
    parser.add_argument("--master", required=True, help="id of the storagemaster to run")
    add_log_option(parser)
    arguments = parser.parse_args()
    configure_logs(arguments.log, role="storagemaster", id_=arguments.master)
    tune_malloc()
    try:
        cluster = load_cluster(arguments.config)
        uvloop.run(_serve(cluster, cluster.masters[arguments.master], arguments.config))
    except KeyError:
        sys.stderr.write(
            f"storagemaster: unknown master {arguments.master!r}: add it to the config\n"
        )
        return 2
    except (InvalidConfig, KeyRingError, OSError) as error:
        sys.stderr.write(f"storagemaster: {error}\n")
        return 2
    return 0


async def _serve(cluster: Cluster, master: Master, config: Path) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    keys = FollowedKeys(Path(cluster.keys_file))
    revoked = RevokedTokens(Path(cluster.tokens_file))

    def check_files() -> None:
        keys.check_now()
        revoked.check_now()

    loop.add_signal_handler(signal.SIGHUP, check_files)
    save = partial(save_map, path=config.with_name(MAP_NAME))
    async with running_master(cluster, master, keys, revoked, save_map=save):
        await stopped.wait()


if __name__ == "__main__":
    sys.exit(main())
