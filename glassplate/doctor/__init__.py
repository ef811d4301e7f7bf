"""Checks of a cluster from one machine of it: what is wrong, and what to do about it."""
