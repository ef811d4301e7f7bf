"""Benches: what Glassplate does against what it is measured by, side by side on one machine."""
