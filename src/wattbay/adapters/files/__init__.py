"""The run folder: what a run leaves behind, in forms that others read."""
