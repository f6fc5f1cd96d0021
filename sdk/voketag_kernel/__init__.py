"""The pure kernel of VokeTag: what a code, a tree and a receipt are, down to the byte.

`codes` mints and opens unit codes; `rfc6962` hashes and proves trees; `tiles` stores them in rows of 256; `receipts`
ties a code to a root on a chain. The services run it and the SDK's wheel carries the same files, so that an auditor
checks a receipt with the very code that made it, or writes another from the specification.

Standard library only; no I/O, no clock, no randomness, and nothing from the services. What is printed and anchored
lasts for decades: a new byte format gets a new version beside the old one.
"""
