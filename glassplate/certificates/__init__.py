"""The certificate authority of a cluster, and the certificates of its machines."""
