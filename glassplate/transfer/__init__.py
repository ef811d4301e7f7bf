"""Import and export of many photos, which continue after an interruption."""
