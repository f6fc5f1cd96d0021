"""`python -m services.scan`: the Scan server."""

from functools import partial

from services.common.process import run
from services.scan.app import serve
from services.scan.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    run("scan", settings, partial(serve, settings))
