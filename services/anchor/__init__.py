"""Anchor: batch roots under one root, that root on a chain, and what the chain says about it."""
