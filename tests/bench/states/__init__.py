"""Lists of devices while a condition holds for all of them, for none, or for one in a thousand."""
