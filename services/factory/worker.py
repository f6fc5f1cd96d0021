"""`python -m services.factory.worker`: issues and anchors batches.

The imports stand inside the guard: minting processes import this module once more, and need nothing of it.
"""

if __name__ == "__main__":
    from functools import partial

    from services.common.process import run
    from services.factory.settings import WorkerSettings
    from services.factory.worker_app import serve

    settings = WorkerSettings()
    run("factory-worker", settings, partial(serve, settings))
