"""Speed and memory, measured in CPU time beside a reference loop; `python -m benchmarks`."""
