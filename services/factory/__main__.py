"""`python -m services.factory`: the Factory server."""

from functools import partial

from services.common.process import run
from services.factory.app import serve
from services.factory.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    run("factory", settings, partial(serve, settings))
