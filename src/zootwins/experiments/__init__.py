"""What takes originals or twins somewhere else; a package each."""
