"""The only room that chooses: which journal, which clock, which ends of the wires."""
