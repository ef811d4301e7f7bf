"""Background work of a node: scrub, trash, and fence."""
