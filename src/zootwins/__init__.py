"""Zoo Twins: sparsified twins of whole populations of small neural networks."""

from importlib.metadata import version

__version__ = version("zootwins")
