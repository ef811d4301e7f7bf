"""The storagemaster: places new photos, mirrors them, answers for them, and repairs."""
