"""What every process of Glassplate shares."""
