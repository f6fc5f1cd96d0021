"""`python -m services.admin`: the Admin server."""

from functools import partial

from services.admin.app import serve
from services.admin.settings import Settings
from services.common.process import run

if __name__ == "__main__":
    settings = Settings()
    run("admin", settings, partial(serve, settings))
