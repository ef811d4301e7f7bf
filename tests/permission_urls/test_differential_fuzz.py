"""The verifier and the independent reference agree on a million request targets."""

from collections import Counter

import pytest

from permission_urls import Forbidden, MalformedUrl, Purpose, Verifier, derived_keys
from tests.permission_urls.url_source import UrlSource

SEED = 20
TARGETS_PER_HALF = 500_000


@pytest.mark.parametrize("half", ["mutations", "recombinations"])
def test_verifier_and_reference_agree(half, reference, ring, size_classes, now):
    """Verdicts and paths agree, and every verdict occurs often."""
    print(f"seed {SEED}, {half}")  # noqa: T201 - a failure must be repeatable
    read_keys = derived_keys(ring, Purpose.READ)
    source = UrlSource(
        seed=f"{SEED} {half}", reference=reference, read_keys=read_keys,
        size_classes=size_classes, now=now,
    )  # fmt: skip
    verifier = Verifier(ring, size_classes)
    counts: Counter[str] = Counter()
    for target in getattr(source, half)(TARGETS_PER_HALF):
        raw = target.encode("latin-1")
        judged = reference.judge(raw, now=now, read_keys=read_keys, size_classes=size_classes)
        try:
            verdict = "ok", verifier.verify(raw, now).path
        except MalformedUrl:
            verdict = "400", None
        except Forbidden as error:
            verdict = "403", None
            counts[error.reason] += 1
        assert verdict == judged, raw
        counts[judged[0]] += 1
    print(dict(counts))  # noqa: T201 - shows what the targets were worth
    assert sum(counts[verdict] for verdict in ("ok", "400", "403")) == TARGETS_PER_HALF
    assert len(counts) == 10
    assert min(counts.values()) > TARGETS_PER_HALF // 250
