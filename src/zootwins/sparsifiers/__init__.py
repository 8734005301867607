"""The methods that turn originals into twins."""
