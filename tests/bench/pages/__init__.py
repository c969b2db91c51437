"""How long the server takes for its pages at 100,000 and 1,000,000 devices: `make bench pages`."""
