"""TLS between the machines of a cluster: their names, their certificates, and who may connect."""
