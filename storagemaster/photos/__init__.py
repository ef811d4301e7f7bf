"""Reads of photos: state, batches, search, and explanations."""
