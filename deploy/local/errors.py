"""The one error of the local stack."""


class StackError(Exception):
    """A part cannot start or stop; the text says what to do about it."""
