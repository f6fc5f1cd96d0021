"""How every process runs: uvloop, signals that ask it to stop, and a last log line that says why it ended."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import uvloop

from services.common import logs, telemetry
from services.common.settings import ProcessSettings


def run(service: str, settings: ProcessSettings, main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `main(stop)` until it returns; SIGTERM and SIGINT set `stop`."""
    logs.configure(service=service, level=settings.log_level)
    telemetry.start(settings, service=service)

    async def supervised() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await main(stop)

    uvloop.run(supervised())
