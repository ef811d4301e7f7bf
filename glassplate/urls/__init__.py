"""Permission URLs and photo references, without a network."""
