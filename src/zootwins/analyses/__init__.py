"""From shards to long tables, and from long tables to statements."""
