"""Why what a person asks of alerts is not done, for the form that asked."""


class Invalid(ValueError):
    """A value that cannot be. `field` names it, the text says why and what to do."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class TooMany(Exception):
    """The organization has as many as there may be."""


class NameTaken(Exception):
    """The organization has one of that name."""
