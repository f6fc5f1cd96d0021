"""The Factory server with a watch on its event loop, whose worst lag in ms it writes: `bench.factory_server FILE`."""

import asyncio
import sys
import time
from functools import partial
from pathlib import Path

from services.common.process import run
from services.factory.app import serve
from services.factory.settings import Settings

_EVERY_SECONDS = 0.005


async def _watched(settings: Settings, file: Path, stop: asyncio.Event) -> None:
    serving = asyncio.create_task(serve(settings, stop))
    worst, told = 0.0, 0.0
    await asyncio.sleep(2)  # starting up is not serving
    while not serving.done():
        before = time.perf_counter()
        await asyncio.sleep(_EVERY_SECONDS)
        worst = max(worst, time.perf_counter() - before - _EVERY_SECONDS)
        if worst > told:
            told = worst
            file.write_text(f"{worst * 1000:.1f}")  # noqa: ASYNC240 - some bytes, now and then
    await serving


if __name__ == "__main__":
    settings = Settings()
    run("factory", settings, partial(_watched, settings, Path(sys.argv[1])))
