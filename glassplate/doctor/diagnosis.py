"""All checks of a cluster, in the order in which an operator would make them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp

from glassplate.doctor.finding import Finding
from glassplate.doctor.machine import (
    check_disks,
    check_key_ages,
    check_tokens,
    load_checked_keys,
)
from glassplate.doctor.processes import ProcessChecks
from volumes.cluster import Cluster


async def diagnose(cluster: Cluster, session: aiohttp.ClientSession) -> AsyncIterator[Finding]:
    """Yield the findings about this machine, then about all processes. Nothing is changed."""
    keys, about_keys = load_checked_keys(cluster)
    for finding in (about_keys, *check_tokens(cluster), *check_disks(cluster)):
        yield finding
    if keys is not None:  # no process accepts a request without them
        yield check_key_ages(keys, datetime.now(UTC).date())
        async for finding in ProcessChecks(cluster, keys, session).findings():
            yield finding
