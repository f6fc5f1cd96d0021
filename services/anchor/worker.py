"""`python -m services.anchor.worker`: writes roots to the chain and tells Factory."""

from functools import partial

from services.anchor.settings import WorkerSettings
from services.anchor.worker_app import serve
from services.common.process import run

if __name__ == "__main__":
    settings = WorkerSettings()
    run("anchor-worker", settings, partial(serve, settings))
