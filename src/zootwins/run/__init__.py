"""What every job shares: errors of one line, logs, provenance."""
