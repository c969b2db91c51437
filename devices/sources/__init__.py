"""Sources: an openBalena or balenaCloud that stays in charge of its devices, and what is read from it."""
