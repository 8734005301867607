"""The run's configuration and the catalogue of zoos, checked, as typed objects."""
