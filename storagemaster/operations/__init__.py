"""What operators see: status, alerts, metrics, and scrubs."""
