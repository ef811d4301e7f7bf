"""Mirrors made equal again: hinted handoff, fences, and reconciliation."""
