"""Deletes, trash, relinks, and offloads of files that are published."""
