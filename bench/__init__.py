"""Benchmarks: Glassplate against a baseline, in turns on one machine."""
