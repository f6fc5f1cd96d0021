"""Protobuf to model and back, by topic. Meaning that no model can hold (times, masks, page tokens) is checked here."""
