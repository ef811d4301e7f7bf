"""Mutants that behave like their module, each with the reason, by module and change."""

TUNING = "a trade of memory against speed, on which no promise depends"

EQUIVALENTS: dict[str, dict[str, str]] = {
    "storagemaster/mirrors/fan_out.py": {": 8 -> 9": TUNING},
    "storagenode/upkeep/fence.py": {
        "Fence.tick: self._fenced and now - self._raised_at > FENCE_SECONDS_MAX"
        " -> now - self._raised_at > FENCE_SECONDS_MAX": "clearing an empty set changes nothing",
        "Fence._raise: 8 -> 9": "a serial is compared as a whole, whatever its length",
    },
    "permission_urls/verifier.py": {": 4096 -> 4097": TUNING},
    "permission_urls/read_signer.py": {
        "ReadSigner.sign_sizes: sorted -> list": "only the order of names in an error message",
    },
    "volumes/photo_id.py": {
        "derive_photo_id: 1 -> 2": "the encoding takes no more than its number of characters",
    },
    "storagenode/transport/write_batcher.py": {
        "WriteBatcher._next: writes and size > WRITE_BYTES_MAX"
        " -> size > WRITE_BYTES_MAX": "a single file is always smaller than a request",
        "WriteBatcher._write: True -> False": "a request has one outcome for each of its files",
    },
    "storagemaster/mirrors/placement.py": {
        "place_in_volume: return Placement(volume.number,"
        " tuple((Target(node) for node in mirrors))) -> pass": (
            "the degraded placement with no mirror down is the same"
        ),
    },
    "storagemaster/repair/plan.py": {
        "plan_shard: steps.sort(key=lambda step: isinstance(step.file, Info)) -> pass": (
            "infos are last in each version, and `PHASES` puts all infos last"
        ),
    },
}
