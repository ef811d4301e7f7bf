"""Purges of edges, and the cache of info documents."""
