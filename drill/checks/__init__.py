"""Rules over a history and a final state, and the verdict."""
