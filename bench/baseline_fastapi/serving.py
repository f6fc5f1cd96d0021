"""How both baselines are served: uvicorn with uvloop and httptools, one process, no access log."""

import uvicorn
from fastapi import FastAPI, Request

from services.scan.model import Device
from services.scan.settings import Settings


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve until SIGTERM."""
    host, _, port = settings.listen.rpartition(":")
    uvicorn.run(app, host=host, port=int(port), loop="uvloop", http="httptools", access_log=False, log_level="warning")


def device_of(request: Request) -> Device:
    """Return what a request tells about the device."""
    headers = request.headers
    return Device(
        address=request.client.host if request.client else "",
        user_agent=headers.get("user-agent", ""),
        languages=headers.get("accept-language", ""),
        encodings=headers.get("accept-encoding", ""),
        screen=headers.get("x-screen-resolution", ""),
        time_zone=headers.get("x-timezone", ""),
    )
