"""A cluster whose links, disks, and buckets can be broken."""
