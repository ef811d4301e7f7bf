"""Code that every process of Glassplate shares."""
