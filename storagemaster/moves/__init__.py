"""Moves of volumes: states in the map, copies to the nodes that join, proofs, and rates."""
