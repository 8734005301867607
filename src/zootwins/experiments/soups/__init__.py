"""Sparse model soups of a zoo's models: prune, retrain in several ways, average, and prune the average further.

After Zimmer, Spiegel and Pokutta, "Sparse Model Soups: A Recipe for Improved Pruning via Model Averaging" (ICLR 2024),
and their public code where the text could not be read; docs/soups.md says what is theirs and what is ours. A phase
prunes the share 1 − (1 − s)^(1/P) of what is left, by magnitude over the whole network, and retrains m *members* of
each model with that mask; their average, which is as sparse, is what the next phase prunes.
"""

from zootwins.catalogue.soups import Soups

__all__ = ["Soups"]
