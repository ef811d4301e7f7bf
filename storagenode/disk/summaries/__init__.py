"""Summaries of the shards of a disk, which survive restarts of the node."""
