"""`python -m services.anchor`: the Anchor server."""

from functools import partial

from services.anchor.app import serve
from services.anchor.settings import Settings
from services.common.process import run

if __name__ == "__main__":
    settings = Settings()
    run("anchor", settings, partial(serve, settings))
