"""HTTP routes of the storagemaster."""
