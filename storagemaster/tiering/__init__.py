"""Large sizes that live in a cold tier: offload and recall."""
