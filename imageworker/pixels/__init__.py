"""Decoding, resizing, color, and encoding."""
