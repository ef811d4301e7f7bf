"""The volume map of a storagemaster: the one in force, followed, and the next one, proposed."""
