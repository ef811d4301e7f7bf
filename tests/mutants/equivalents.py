"""Mutants that behave like their module, each with the reason, by module and change."""

TUNING = "a trade of memory against speed, on which no promise depends"

SEARCH = "larger or smaller slots, in which the same point is found in more or fewer steps"
DERIVED_AGAIN = "unchanged keys are derived again, or the cache of valid URLs is emptied"
SAME_SECOND = "a file with the same bytes and the same second replaces itself"

LEFT_TO_HANDLER = "a request that the fast path fails is left to the handler"

EQUIVALENTS: dict[str, dict[str, str]] = {
    "storagemaster/mirrors/fan_out.py": {": 8 -> 9": TUNING},
    "storagenode/upkeep/fence.py": {
        "Fence.tick: self._fenced and now - self._progress_at > self._falls_after_seconds"
        " -> now - self._progress_at > self._falls_after_seconds": "an empty fence cannot fall",
        "Fence._raise: 8 -> 9": "a serial is compared as a whole, whatever its length",
        "Fence.follow: 8 -> 9": "a serial is compared as a whole, whatever its length",
    },
    "permission_urls/signing.py": {
        "PurposeSigner._use: self._ring = ring -> pass": DERIVED_AGAIN,
        "PurposeVerifier.follow: False -> True": DERIVED_AGAIN,
        "PurposeVerifier.follow: return False -> pass #2": DERIVED_AGAIN,
        "PurposeVerifier.follow: False -> True #2": DERIVED_AGAIN,
        "PurposeVerifier.follow: self._ring = ring -> pass": DERIVED_AGAIN,
    },
    "permission_urls/verifier.py": {": 4096 -> 4097": TUNING},
    "permission_urls/read_signer.py": {
        "ReadSigner.sign_sizes: sorted -> list": "only the order of names in an error message",
    },
    "permission_urls/keys.py": {"KeyRing.ring: del purpose -> pass": "the argument is not used"},
    "permission_urls/tokens.py": {
        "generate_token_id: 5 -> 6": "an id has the last 40 bits, which are as random",
    },
    "storagemaster/mirrors/key_volumes.py": {
        ": 3 -> 4": SEARCH,
        "_Ring.__init__: len(points).bit_length() - SLOT_BITS"
        " -> len(points).bit_length() + SLOT_BITS": SEARCH,
        "_Ring.__init__: 0 -> 1": SEARCH,
        "_Ring.__init__: 64 - bits -> 64 + bits": SEARCH,
        "_Ring.__init__: 64 -> 65": SEARCH,
        "_Ring.__init__: 2 -> 3": SEARCH,
        "_Ring.__init__: 1 -> 2": SEARCH,
        "_Ring.nearest: 0 -> 1": "a ring with points always has a nearest one",
        "_Ring.nearest: point - probe < best -> point - probe <= best": (
            "no two of 64-bit weights are equal"
        ),
        "_Ring.weights: 0 -> 1": "more points than needed, whose weights are not the lowest",
    },
    "storagemaster/admission/authorization.py": {
        "_announced_bytes: return None -> pass": "the function ends here",
    },
    "storagemaster/repair/hinted_handoff.py": {
        ": 4 -> 5": TUNING,
        ": 5 -> 6": "reconcile takes the hint over, one attempt later",
        "_bundle_sizes: len(files) == HINTS_PER_LIST_MAX and (photo_version :="
        " sized_version(files[-1].place.file)) -> len(files) == HINTS_PER_LIST_MAX": (
            "the loop ends with the same version"
        ),
        "HintedHandoff._deliver_some.one: 0 -> 1": "one attempt is not too many either",
    },
    "storagenode/read_port/read_api.py": {
        ": 256 -> 257": TUNING,
        ": 1024 -> 1025": TUNING,
        ": 1024 -> 1025 #2": TUNING,
        ": 1024 -> 1025 #3": TUNING,
        "_load_cached: file.stat.bytes <= INLINE_BYTES_MAX"
        " -> file.stat.bytes < INLINE_BYTES_MAX": TUNING,
        "ReadApi._send_bytes: size <= WHOLE_BYTES_MAX -> size < WHOLE_BYTES_MAX": TUNING,
        "ReadApi._send_bytes: 200 -> 201 #2": "a slice of all bytes is all bytes",
        "ReadApi.try_fast_path: self._store.raise_if_deleted(variant) -> pass": (
            "it is called again after the read"
        ),
        "ReadApi.try_fast_path: except (MalformedUrl, Forbidden, NodeError, OSError): ..."
        " -> except (MalformedUrl, Forbidden, NodeError, OSError): raise": LEFT_TO_HANDLER,
        "ReadApi.try_fast_path: return None -> pass #3": LEFT_TO_HANDLER,
    },
    "storagenode/read_port/fast_path.py": {
        "FastPathServer.__init__: False -> True": "a GET has no body to admit",
        "_FastPathHandler.reset: 1 -> 2": "the kernel takes any number for true",
    },
    "storagemaster/caches/purging.py": {
        ": 100 -> 101": TUNING,
        ": 2.0 -> 3.0": "how soon after its due time a purge is repeated, which no page promises",
        ": 100000 -> 100001": TUNING,
        ": 10000 -> 10001": TUNING,
        "EdgePurger._remember_missed: len(missed) > MISSED_MAX -> len(missed) >= MISSED_MAX": (
            TUNING
        ),
        "EdgePurger.repeat_all: self._repeats.popleft -> self._repeats.pop": "all are sent",
        "EdgePurger._purge_all: True -> False": "each edge has one outcome",
    },
    "storagenode/disk/publishing.py": {
        "Publisher.raise_if_deleted: for place in filter(self._file_system.exists, places): ..."
        " -> once for place in filter(self._file_system.exists, places): ...": (
            "only the last of the places can disappear, which is the one of a hint"
        ),
        "Publisher.raise_if_info_differs: for place, info, digest in files: ..."
        " -> once for place, info, digest in files: ...": "a bundle has one info, which ends it",
        "Publisher._give_name: self._directories.make_parents_of(place.path) -> pass": (
            "the parents are created with the name as well, but under the lock"
        ),
        "Publisher.publish: for directory in dict.fromkeys((directory_of(file.path) for file in"
        " published)): ... -> once for directory in dict.fromkeys((directory_of(file.path) for file"
        " in published)): ...": "all files of a call are of one version, in one directory",
        ": 256 -> 257": TUNING,
        ": 4096 -> 4097": TUNING,
        "Publisher._check_tombstones: del since -> pass": "the argument is only a key of the cache",
        "Publisher._resolve_existing: staged.mtime_seconds < stat.mtime_seconds"
        " -> staged.mtime_seconds <= stat.mtime_seconds": SAME_SECOND,
    },
    "storagenode/disk/health.py": {
        "DiskHealth.translated: error.errno or 0 -> error.errno": (
            "no error has either as its number"
        ),
    },
    "storagenode/disk/staging.py": {
        ": 1024 -> 1025": TUNING,
        ": 1024 -> 1025 #2": TUNING,
        "StagedFile.__init__: 0 -> 1 #2": "the time is set before any read of it",
    },
    "storagemaster/repair/fence_lifting.py": {
        ": 0.25 -> 1.25": TUNING,
        ": 4 -> 5": TUNING,
        ": 32 -> 33": TUNING,
        ": 16 -> 17": TUNING,
        "FenceLifter.lift_fences.one: async with gate: ..."
        " -> async with __import__('contextlib').nullcontext(): ...": TUNING,
        "FenceLifter._deliver_missed.one: async with gate: ..."
        " -> async with __import__('contextlib').nullcontext(): ...": TUNING,
        "FenceLifter._lift_known: sorted -> list": "only the order of volumes in a request",
        "differing_shards: sorted -> list": "only the order of shards in a request",
    },
    "storagemaster/repair/reconcile.py": {
        ": 8 -> 9": TUNING,
    },
    "volumes/photo_id.py": {
        "derive_photo_id: 1 -> 2": "the encoding takes no more than its number of characters",
    },
    "storagenode/transport/write_batcher.py": {
        "WriteBatcher._next: writes and size > WRITE_BYTES_MAX"
        " -> size > WRITE_BYTES_MAX": "a single file is always smaller than a request",
        "WriteBatcher._cancel_if_unwanted: self._request and all((write.published.cancelled() for"
        " write in self._in_flight)) -> all((write.published.cancelled() for write in"
        " self._in_flight))": "callbacks of writes run before the request has ended",
        "WriteBatcher._write: True -> False": "a request has one outcome for each of its files",
    },
    "storagemaster/mirrors/mirroring.py": {
        "Mirroring.publish_and_copy: True -> False": "each source has one outcome",
        "Mirroring._split: True -> False": "each target has one outcome",
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
