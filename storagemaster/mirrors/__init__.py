"""The nodes of a volume: who is up, where a photo goes, and how it is written."""
