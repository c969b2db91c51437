"""The site: settings, users, the embedded PostgreSQL, health, and the demo."""

__version__ = "0.1.0"
