"""Benchmarks: each measures both sides of a ratio in one run and writes its raw figures to `results/`."""
