"""Mutants that behave like their module, each with the reason, by module and change."""

TUNING = "a trade of memory against speed, on which no promise depends"

EQUIVALENTS: dict[str, dict[str, str]] = {
    "storagemaster/mirrors/fan_out.py": {": 8 -> 9": TUNING},
    "storagenode/upkeep/fence.py": {
        "Fence.tick: self._fenced and now - self._raised_at > FENCE_SECONDS_MAX"
        " -> now - self._raised_at > FENCE_SECONDS_MAX": "clearing an empty set changes nothing",
        "Fence._raise: 8 -> 9": "a serial is compared as a whole, whatever its length",
    },
}
