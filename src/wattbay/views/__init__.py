"""What readers see: folded from the journal, deletable."""
