"""Files of keys and tokens: written under a lock, and followed while they change."""
