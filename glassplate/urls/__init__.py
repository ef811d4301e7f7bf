"""Permission URLs and photo references."""
