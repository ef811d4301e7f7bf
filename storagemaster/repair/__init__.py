"""Repair of mirrors: hinted handoff, fences, and reconciliation."""
