"""The version of the SDK, and of its wheel."""

__version__ = "0.1.0"
