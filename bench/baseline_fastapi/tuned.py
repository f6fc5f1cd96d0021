"""`python -m bench.baseline_fastapi.tuned`: the same endpoint over our own use case and parts.

What remains between it and ours is the way in: uvicorn, routing, pydantic and JSON here; Envoy, its transcoder,
protobuf and our interceptors there. So it says what the edge and the contracts cost.
"""

import gc
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial

from fastapi import FastAPI, HTTPException, Request, Response

from bench.baseline_fastapi.answers import ScanAnswer, answer_of
from bench.baseline_fastapi.serving import device_of, serve
from services.common import unit_keys
from services.common.clock import SystemClock
from services.common.errors import MalformedCode, RateLimited, Unavailable, UnknownCode
from services.scan.breaker import Breaker
from services.scan.facts import FactsCache
from services.scan.fingerprint import Fingerprints
from services.scan.hot_state import HotState
from services.scan.language import language_of
from services.scan.limits import Limits, Rates
from services.scan.networks import Networks
from services.scan.operations.scans import Scans
from services.scan.partners import Partners
from services.scan.places import Places
from services.scan.settings import Settings
from services.scan.storage import registry
from services.scan.storage.connection import HeldConnection

settings = Settings()
_STATUS = ((MalformedCode, 400), (UnknownCode, 404), (RateLimited, 429), (Unavailable, 503))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open connections, and calm the garbage collector as Scan does."""
    seconds, clock = settings.scan_timeout_seconds, SystemClock()
    breaker = Breaker(part="postgresql", rest_seconds=0.5, probe_seconds=seconds)
    connected = partial(HeldConnection, dsn=settings.database_url, timeout_seconds=seconds, breaker=breaker)
    hot_breaker = Breaker(part="hot state", rest_seconds=0.5, probe_seconds=0.5)
    hot_state = HotState(
        url=settings.hot_state_url, timeout_seconds=settings.hot_state_timeout_seconds, breaker=hot_breaker
    )
    async with connected(name="reads") as reads, connected(name="writes") as writes, aclosing(hot_state):
        app.state.scans = Scans(
            keys=unit_keys.load(settings.unit_keys),
            facts=FactsCache(
                partial(registry.facts_of, reads), seconds=settings.facts_seconds, entries=settings.facts_entries
            ),
            hot_state=hot_state,
            limits=Limits(
                rates=Rates(
                    per_minute=settings.scans_per_minute,
                    key_per_minute=settings.key_scans_per_minute,
                    everywhere_per_minute=0,
                    key_everywhere_per_minute=0,
                    failures_per_minute=settings.failures_per_minute,
                    newcomer_seconds=0,
                    platform_per_second=0,
                    region_per_second=0,
                ),
                region="",
            ),
            partners=Partners(partial(registry.keys_of, reads), clock=clock),
            places=Places(None),
            networks=Networks(tor=None, vpn=None, hosting=None, anonymous=None),
            reads=reads,
            writes=writes,
            breaker=breaker,
            fingerprints=Fingerprints.load(settings.fingerprint_key),
            clock=clock,
            keeps_hints=False,
            timeout_seconds=seconds,
            linger_seconds=settings.linger_seconds,
            max_waiting=settings.max_waiting,
        )
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        yield
        await app.state.scans.aclose()


app = FastAPI(lifespan=lifespan)


@app.get("/v1/scan/{code}")
async def scan(code: str, request: Request, response: Response) -> ScanAnswer:
    """Give the verdict on a code, and record the scan before it is given."""
    told: dict[str, str] = {}
    try:
        made = await app.state.scans.scan(code, device_of(request), told)
    except (MalformedCode, UnknownCode, RateLimited, Unavailable) as error:
        status = next(status for kind, status in _STATUS if isinstance(error, kind))
        raise HTTPException(status, error.message, told) from error
    response.headers.update(told)
    return answer_of(made, language_of(request.headers.get("accept-language", "")))


if __name__ == "__main__":
    serve(app, settings)
