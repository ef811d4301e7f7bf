"""A store over one disk."""
