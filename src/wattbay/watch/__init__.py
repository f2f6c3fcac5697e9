"""Who looks after devices: what is odd about their readings, how they do, and who has seen it."""
