"""Partial uploads on a disk: segments that are written once, until the photo is complete."""
