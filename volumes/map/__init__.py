"""The volume map as a value with a version: its text, its changes, and the votes for it."""
