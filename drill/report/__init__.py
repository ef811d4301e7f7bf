"""Report of a campaign, with a timeline for each drill."""
