"""The console of a storagemaster: its pages, its sessions, and its live data."""
