"""How long the histories take at 1,000,000 devices and 50,000,000 records: `make bench history`."""
