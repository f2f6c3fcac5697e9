"""What outlives the process besides the journal: verified readings, as they were signed."""
