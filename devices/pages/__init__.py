"""What the pages about devices show: lists, rows, indicators, changes, in words and numbers."""
