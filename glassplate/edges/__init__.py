"""Edge configs written, watched, and reloaded."""
