"""The nodes of a volume: their status, the placement of photos, and writes to them."""
