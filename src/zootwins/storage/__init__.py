"""What lies on disk: files that are whole or not there, tensors and tables with checksums, shards of twins."""
