"""What a small site takes from its machine while nobody looks at it."""
