"""The internal port: writes, listings, and repairs."""
