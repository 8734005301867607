"""Files on disk: written whole or not at all, tensors and tables with checksums, shards of twins."""
