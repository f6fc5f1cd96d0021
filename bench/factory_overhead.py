"""What knowing the caller and doing writes once cost: calls to Factory as it is, against the same calls without both.

`python -m bench.factory_overhead [--calls N]`. Two servers on one database: one as in production; the other with an
authenticator that returns its caller without a look, and with writes that keep no answers. Everything else is the same
code: transport, interceptors, validation, use case, transaction. Calls alternate between the two over one connection
each, so that whatever else the machine does meets both alike.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import grpc

from bench import report
from bench.factory_room import Room, open_room, server_settings
from services.common.caller import TENANT_SCOPES, Caller, CallerKind
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.rpc.call import Call
from services.factory import app
from services.factory.operations.api_keys import ApiKeys
from voketag.factory.v1 import factory_pb2, factory_pb2_grpc

_WARM_UP_CALLS = 200
_AIM = 1.15


class ForgetfulWrites:
    """Runs writes in a transaction each, and remembers nothing."""

    def __init__(self, *, database: Database, **_: object) -> None:
        self._database = database

    async def once(
        self,
        _call: Call,
        _request: object,
        write: Callable[..., Awaitable[Any]],
        answer: Callable[..., Any],
        **_: object,
    ) -> Any:
        """Run `write` and return its answer."""
        async with self._database.transaction() as tx:
            return answer(await write(tx))


async def main() -> None:
    """Call both servers, print the ratios, write the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=3000)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="voketag-bench-") as folder:
        async with open_room(Path(folder)) as room:
            key = await _api_key(room)
            batch = await room.order(10)
            async with _server(room) as whole, _server(room, bare=True) as bare:
                stubs = {"whole": whole, "bare": bare}
                taken = {
                    "GetBatch": await _alternate(
                        stubs, key, asked.calls, lambda stub: stub.GetBatch, _get(batch.batch_id)
                    ),
                    "CreateProduct": await _alternate(
                        stubs, key, asked.calls, lambda stub: stub.CreateProduct, _new_product
                    ),
                }
    figures: dict[str, Any] = {"calls_each": asked.calls}
    for name, seconds in taken.items():
        median = {which: statistics.median(each) for which, each in seconds.items()}
        ratio = median["whole"] / median["bare"]
        figures[name] = {
            "median_milliseconds": {which: value * 1000 for which, value in median.items()},
            "p99_milliseconds": {
                which: statistics.quantiles(each, n=100)[98] * 1000 for which, each in seconds.items()
            },
            "ratio_of_medians": ratio,
        }
        print(f"{name} took {ratio:.3f} times what it takes without authentication and idempotency (aim {_AIM})")
    write, read = (figures[name]["median_milliseconds"] for name in ("CreateProduct", "GetBatch"))
    figures["both_of_a_get_batch"] = (write["whole"] - write["bare"]) / read["bare"]
    print(f"both together, which a write has, are {figures['both_of_a_get_batch']:.1%} of a bare GetBatch")
    report.write("factory_overhead", figures)


def _get(batch_id: object) -> Callable[[], factory_pb2.GetBatchRequest]:
    return lambda: factory_pb2.GetBatchRequest(batch_id=str(batch_id))


def _new_product() -> factory_pb2.CreateProductRequest:
    request_id = str(uuid4())
    return factory_pb2.CreateProductRequest(sku=request_id, name="Oil", gtin="4006381333931", request_id=request_id)


async def _alternate(
    stubs: dict[str, Any],
    key: str,
    calls: int,
    method: Callable[[Any], Any],
    request: Callable[[], Any],
) -> dict[str, list[float]]:
    metadata = (("authorization", f"Bearer {key}"),)
    seconds: dict[str, list[float]] = {which: [] for which in stubs}
    for call in range(_WARM_UP_CALLS + calls):
        # Who goes first changes, so that neither always follows the other's work.
        for which in sorted(stubs, reverse=bool(call % 2)):
            message = request()
            started = time.perf_counter()
            await method(stubs[which])(message, metadata=metadata)
            if call >= _WARM_UP_CALLS:
                seconds[which].append(time.perf_counter() - started)
    return seconds


@asynccontextmanager
async def _server(room: Room, *, bare: bool = False) -> AsyncIterator[Any]:
    async with AsyncExitStack() as stack:
        with ExitStack() as patches:
            if bare:
                caller = Caller(
                    kind=CallerKind.API_KEY, subject="bench", scopes=TENANT_SCOPES, tenant_id=room.tenant_id
                )

                async def known(_credential: str, _client_address: str) -> Caller:
                    return caller

                patches.enter_context(patch.object(app, "Authenticator", lambda **_: known))
                patches.enter_context(patch.object(app, "Writes", ForgetfulWrites))
            server = await stack.enter_async_context(app.open_app(server_settings(room)))
        link = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{server.port}"))
        yield factory_pb2_grpc.FactoryServiceStub(link)


async def _api_key(room: Room) -> str:
    async with room.database.transaction() as tx:
        new = await ApiKeys(database=room.database, clock=SystemClock()).create(
            tx, room.tenant_id, name="bench", scopes=TENANT_SCOPES, expires_at=None, granted_by=TENANT_SCOPES
        )
    return new.credential


if __name__ == "__main__":
    asyncio.run(main())
