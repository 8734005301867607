"""Publish a population so that others can load it: weights, index, documentation, and the readers of all three."""
