"""Views for operators: status, alerts, metrics, and scrubs."""
