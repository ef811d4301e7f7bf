"""Jobs for image workers: queued, swept, requeued, and their results stored."""
