"""Pictures of every page and state, taken from a demo: `make pictures`."""
