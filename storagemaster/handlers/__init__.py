"""HTTP routes of the storagemaster, and who may call them."""
