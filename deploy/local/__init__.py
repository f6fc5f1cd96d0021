"""The local stack: every real part from packages, no Docker (`python -m deploy.local --help`)."""
