"""Tiering: offload of large sizes to cold nodes, and recall."""
