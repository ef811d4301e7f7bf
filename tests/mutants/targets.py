"""The modules that carry the promises, each with the tests that could notice a change of it.

`docs/simulation.md` has the reason for each promise's modules.
"""

from dataclasses import dataclass

NODE, MASTER = "tests/storagenode", "tests/storagemaster"
KEYS, VOLUMES = "tests/permission_urls", "tests/volumes"
VALUES = "tests/docs/test_promised_values.py"
HISTORIES = "tests/mutants/simulated_histories.py"
PROBES = "tests/probes"


@dataclass(frozen=True, slots=True)
class Target:
    """A module, and the tests of what it promises, quick ones first."""

    module: str
    tests: tuple[str, ...]
    """Tests in whose process the module runs. A mutant runs the ones that reach it."""
    slow: tuple[str, ...] = ()
    """Tests that start clusters. They run for mutants that survive the other tests."""
    needs_disk: bool = False
    """True if the tests need files in the page cache, which a file system in memory has not."""


READS = (f"{NODE}/read_port", f"{NODE}/upkeep/test_fence.py")
URLS = tuple(
    f"{KEYS}/{name}.py"
    for name in (
        "test_golden_urls",
        "test_signing",
        "test_permission_grammar",
        "test_url_verifier",
        "test_expiry",
        "test_rotation",
        "test_cross_use",
        "test_read_signer",
        "files/test_followed_keys",
    )
)
FUZZ = (f"{KEYS}/test_differential_fuzz.py",)
PUBLISHED = (
    f"{NODE}/disk/test_store.py",
    f"{NODE}/disk/test_health.py",
    f"{NODE}/disk/test_full_and_read_only.py",
    f"{NODE}/disk/test_durable_steps.py",
    f"{NODE}/disk/lifecycle/test_trashed_files.py",
    f"{NODE}/disk/test_store_contract.py",
)
DISK_FAULTS = tuple(
    f"{NODE}/disk/test_{name}.py"
    for name in ("tombstone_race", "syscall_errors", "crash_states", "emptied_folders")
)
LIFECYCLE = (
    VALUES,
    f"{MASTER}/lifecycle/test_steps_of_deletes.py",
    f"{MASTER}/lifecycle/test_deletes.py",
    f"{MASTER}/caches/test_purging.py",
)
PLANS = tuple(
    f"{MASTER}/repair/test_{name}.py"
    for name in ("tasks", "plan", "executed_plans", "volume_plan", "progress")
)
REPAIRED = (
    f"{MASTER}/repair/test_applied_plans.py",
    *(
        f"{MASTER}/repair/test_{name}.py"
        for name in (
            "danger_first",
            "settlement",
            "tombstone_seconds",
            "unproven_tombstones",
            "volume_comparison",
        )
    ),
    f"{MASTER}/repair/test_danger_first.py",
    f"{MASTER}/operations/test_waits.py",
    f"{PROBES}/test_repair.py",
)

TARGETS = (
    # A URL opens what it was signed for, until it expires.
    Target("permission_urls/expiry.py", URLS, FUZZ),
    Target("permission_urls/permission.py", URLS, FUZZ),
    Target("permission_urls/signing.py", (*URLS, f"{KEYS}/test_timing_safety.py"), FUZZ),
    Target("permission_urls/verifier.py", URLS, FUZZ),
    Target("permission_urls/read_signer.py", URLS, FUZZ),
    Target(
        "permission_urls/keys.py", (f"{KEYS}/test_keys.py", f"{VOLUMES}/test_photo_id.py", *URLS)
    ),
    Target(
        "permission_urls/tokens.py", (f"{KEYS}/test_api_tokens.py", f"{KEYS}/test_cross_use.py")
    ),
    Target(
        "permission_urls/internal.py",
        (f"{KEYS}/test_internal_requests.py", f"{KEYS}/test_cross_use.py"),
    ),
    Target("permission_urls/jobs.py", (f"{KEYS}/test_signed_jobs.py", f"{KEYS}/test_cross_use.py")),
    Target(
        "storagemaster/admission/authorization.py",
        (
            f"{MASTER}/admission/test_authorized_handlers.py",
            f"{MASTER}/resumable/test_receipts.py",
            f"{MASTER}/uploads/test_known_photos.py",
        ),
        (f"{MASTER}/admission/test_authorization.py",),
    ),
    # A path names one file, and an id is never used twice.
    Target(
        "volumes/photo_path.py",
        (f"{VOLUMES}/test_golden_paths.py", f"{VOLUMES}/test_photo_path.py"),
    ),
    Target("volumes/photo_id.py", (f"{VOLUMES}/test_photo_id.py",)),
    Target("volumes/version_files.py", (f"{VOLUMES}/test_version_files.py",)),
    Target("storagenode/taken_names.py", (f"{NODE}/test_taken_names.py",), PUBLISHED),
    # What was acknowledged is durable, and nothing replaces it.
    Target("storagenode/disk/staging.py", PUBLISHED, DISK_FAULTS),
    Target("storagenode/disk/publishing.py", PUBLISHED, DISK_FAULTS),
    Target("storagenode/disk/health.py", PUBLISHED, DISK_FAULTS),
    Target(
        "storagenode/write_port/receiving.py",
        (
            f"{NODE}/write_port/test_receiving.py",
            f"{NODE}/write_port/test_plain_writes.py",
            f"{NODE}/transport/test_signed_writes.py",
        ),
    ),
    Target("storagenode/transport/write_batcher.py", (f"{NODE}/transport/test_write_batcher.py",)),
    Target(
        "storagemaster/mirrors/fan_out.py",
        (f"{MASTER}/mirrors/test_fan_out.py", f"{MASTER}/mirrors/test_run_all.py", VALUES),
    ),
    Target("storagemaster/mirrors/key_volumes.py", (f"{MASTER}/mirrors/test_key_volumes.py",)),
    Target("storagemaster/mirrors/placement.py", (f"{MASTER}/mirrors/test_placement.py",)),
    Target(
        "storagemaster/mirrors/mirroring.py",
        (VALUES, f"{MASTER}/mirrors", HISTORIES, f"{MASTER}/lifecycle/test_deletes.py"),
        (f"{MASTER}/uploads/test_uploads.py", f"{MASTER}/uploads/test_upload_faults.py"),
    ),
    # A deleted photo stays deleted.
    Target(
        "storagenode/disk/lifecycle/deletes.py",
        (*PUBLISHED, f"{NODE}/disk/test_dropping.py"),
        DISK_FAULTS,
    ),
    Target(
        "storagenode/disk/lifecycle/trash.py",
        (*PUBLISHED, f"{NODE}/upkeep/test_emptying_trash.py"),
        DISK_FAULTS,
    ),
    Target("storagenode/upkeep/fence.py", (f"{NODE}/upkeep/test_fence.py", VALUES)),
    Target("storagenode/read_port/read_api.py", READS, needs_disk=True),
    Target("storagenode/read_port/fast_path.py", READS, needs_disk=True),
    Target(
        "storagemaster/caches/purging.py",
        (*LIFECYCLE, f"{MASTER}/caches/test_purge_sessions.py"),
    ),
    Target("storagemaster/lifecycle/deletes.py", LIFECYCLE),
    Target(
        "storagemaster/lifecycle/tombstone_delivery.py",
        (f"{MASTER}/lifecycle/test_tombstone_delivery.py", *LIFECYCLE, HISTORIES),
        (PROBES,),
    ),
    # Mirrors become equal, and nothing is lost on the way.
    Target("storagemaster/repair/plan.py", PLANS, (HISTORIES,)),
    Target("storagemaster/repair/steps.py", PLANS, (HISTORIES,)),
    Target("storagemaster/repair/tasks.py", PLANS, (HISTORIES,)),
    Target("storagemaster/repair/volume_plan.py", PLANS, (HISTORIES,)),
    Target("storagemaster/repair/progress.py", PLANS, (HISTORIES,)),
    Target("storagemaster/repair/reconcile.py", (VALUES, *PLANS, *REPAIRED, HISTORIES), (PROBES,)),
    Target(
        "storagemaster/repair/hinted_handoff.py",
        (
            VALUES,
            f"{MASTER}/repair/test_hint_deliveries.py",
            HISTORIES,
            f"{MASTER}/repair/test_bundled_hints.py",
            f"{MASTER}/repair/test_hinted_handoff.py",
            f"{MASTER}/repair/test_settlement.py",
            f"{MASTER}/caches/test_purging.py",
        ),
        (PROBES,),
    ),
    Target(
        "storagemaster/repair/fence_lifting.py",
        (f"{MASTER}/repair/test_fence_lifting.py", HISTORIES),
        (PROBES,),
    ),
    # Sizes keep the metadata that they should, and no other.
    Target("imageworker/pixels/metadata.py", ("tests/imageworker/pixels/test_metadata.py",)),
)
