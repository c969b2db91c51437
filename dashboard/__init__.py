"""The site: settings, accounts, pages, the embedded PostgreSQL, the server and the demo."""

__version__ = "0.1.0"
