"""docs/reliability.md: each promised time and count is the one in the code."""

import pytest

from storagemaster import client, job_wire
from storagemaster.caches import purging
from storagemaster.jobs import sweep
from storagemaster.mirrors import fan_out, fleet, mirroring, mirrors
from storagemaster.operations import alerts
from storagemaster.repair import (
    cycle,
    fence_lifting,
    hinted_handoff,
    left_volumes,
    reconcile,
)
from storagenode.transport import signed_requests
from storagenode.upkeep import fence
from tests.docs.pages import read_page, table
from volumes import attempts
from volumes.cluster import Limits

ROWS = table(read_page("docs/reliability.md"), "## Times and counts")
# In the order of the page.
VALUES = (
    mirroring.COPIES_MIN,
    mirrors.PATIENCE_SECONDS,
    mirrors.BUCKET_PATIENCE_SECONDS,
    fan_out.ALL_IDLE_SECONDS,
    fleet.POLL_SECONDS,
    fleet.RESPONSE_SECONDS,
    fence.STALL_SECONDS,
    fence.TICK_SECONDS,
    Limits().fence_seconds,
    purging.RESPONSE_SECONDS,
    purging.REPEAT_AFTER_SECONDS,
    hinted_handoff.PASS_SECONDS,
    cycle.CYCLE_SECONDS,
    cycle.CYCLE_SECONDS * cycle.CYCLES_OF_OTHERS,
    left_volumes.LEFT_SECONDS_MAX,
    fence_lifting.LEFT_SECONDS_MAX,
    sweep.PASS_SECONDS,
    job_wire.HEARTBEAT_TTL_SECONDS,
    reconcile.ATTEMPTS_MAX,
    attempts.ATTEMPTS_MAX,
    alerts.CLOCK_ALERT_SECONDS,
    signed_requests.SIGNATURE_SECONDS,
    client.SIGNATURE_SECONDS,
)


@pytest.mark.parametrize(("row", "value"), list(zip(ROWS, VALUES, strict=True)))
def test_promised_value_is_in_the_code(row, value):
    """A change of the constant changes the page, and the other way round."""
    assert float(row["value"].removesuffix(" s")) == value
