"""The pure kernel of VokeTag: unit codes, RFC 6962 trees and tiles, receipts.

Standard library only; no I/O, no clock, no randomness. The services run it, and the SDK's wheel carries the same
files, so that an auditor checks a receipt with the very code that made it, or writes another from the
specification.
"""
