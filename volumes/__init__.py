"""What a volume is: photo paths, sizes, the volume map and the cluster config."""
