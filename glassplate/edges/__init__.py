"""Files of edges: rendered, written, watched, and reloaded."""
