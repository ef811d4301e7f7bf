"""Volumes: photo paths, sizes, the volume map, and the cluster config."""
