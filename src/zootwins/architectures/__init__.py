"""Architectures: the networks that a zoo can be of, as a registry of modules or as chains written in the catalogue."""
