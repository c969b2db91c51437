"""The ingest: the HTTP calls of devices and VPN servers. It parses requests, calls services and replies."""
