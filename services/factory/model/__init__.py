"""What Factory speaks of, by topic: frozen dataclasses, enums and rules. Standard library and the error tree only."""
