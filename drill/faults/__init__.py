"""Faults, and the evidence that each took effect."""
