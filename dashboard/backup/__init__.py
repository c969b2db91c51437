"""A backup of the whole site as a directory, and the way back (docs/backup.md)."""
