"""Scan's composition root: the only place where its parts meet."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from functools import partial

from services.common import unit_keys
from services.common.caller import Caller
from services.common.clock import Clock, SystemClock
from services.common.errors import Unavailable
from services.common.rpc import interceptors
from services.common.rpc.channels import channel
from services.common.rpc.server import Server
from services.common.tokens import ServiceTokens, TokenSigner, TokenVerifier
from services.scan.breaker import Breaker
from services.scan.database_clock import DatabaseClock, following
from services.scan.facts import FactsCache
from services.scan.fingerprint import Fingerprints
from services.scan.hot_state import HotState
from services.scan.jobs import ensure_partitions
from services.scan.limits import Limits, Rates
from services.scan.networks import Networks
from services.scan.news import following_news
from services.scan.operations.ledger import Ledger
from services.scan.operations.lookups import Lookups
from services.scan.operations.pages import Pages
from services.scan.operations.readiness import Readiness
from services.scan.operations.receipts import Receipts
from services.scan.operations.records import Records
from services.scan.operations.reports import Reports
from services.scan.operations.scans import Scans
from services.scan.partners import Partners
from services.scan.peers import ProofServices
from services.scan.places import Places
from services.scan.probing import probing
from services.scan.records_servicer import ScanHistoryServicer
from services.scan.servicer import ScanServicer
from services.scan.settings import Settings
from services.scan.statements import VerdictKeys
from services.scan.storage import registry
from services.scan.storage.connection import HeldConnection
from services.scan.watched_files import watching
from voketag.scan.v1 import history_pb2, scan_pb2

_REST_SECONDS = 0.5
_LIST_SECONDS = 20

HISTORY = history_pb2.DESCRIPTOR.services_by_name["ScanHistoryService"]
DESCRIPTOR = scan_pb2.DESCRIPTOR.services_by_name["ScanService"]


@asynccontextmanager
async def open_app(settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[Server]:
    """Start the server; it stops, gracefully, at the end of the block. A database that is away is waited for.

    `clock` is the database's unless a test brings one that jumps.
    """
    database_clock = DatabaseClock()
    clock = clock or database_clock
    keys = unit_keys.load(settings.unit_keys)
    verifier = TokenVerifier(public_keys=settings.token_public_keys, service="scan")
    tokens = ServiceTokens(TokenSigner(key_file=settings.service_key, clock=SystemClock()))
    fingerprints = Fingerprints.load(settings.fingerprint_key)

    async def authenticate(credential: str, _client_address: str) -> Caller:
        return verifier.verify(credential)

    async with AsyncExitStack() as stack:
        # One connection reads and one writes, so that a commit under way keeps no receipt waiting.
        breaker = Breaker(part="postgresql", rest_seconds=_REST_SECONDS, probe_seconds=settings.scan_timeout_seconds)
        reads, writes = [
            await stack.enter_async_context(
                HeldConnection(
                    dsn=settings.database_url,
                    name=name,
                    timeout_seconds=settings.scan_timeout_seconds,
                    breaker=breaker,
                )
            )
            for name in ("reads", "writes")
        ]
        await stack.enter_async_context(probing(reads, breaker))
        await stack.enter_async_context(following(database_clock, reads))
        # Lists take their time, and must not be taken for a database that is slow to record scans.
        listing = await stack.enter_async_context(
            HeldConnection(dsn=settings.database_url, name="lists", timeout_seconds=_LIST_SECONDS)
        )
        records = Records(connection=listing, clock=clock)
        hot_state = await stack.enter_async_context(
            aclosing(
                HotState(
                    url=settings.hot_state_url,
                    timeout_seconds=settings.hot_state_timeout_seconds,
                    breaker=Breaker(part="hot state", rest_seconds=_REST_SECONDS, probe_seconds=_REST_SECONDS),
                )
            )
        )
        places = Places(settings.countries_file)
        networks = Networks(
            tor=settings.tor_list,
            vpn=settings.vpn_list,
            hosting=settings.hosting_list,
            anonymous=settings.anonymous_file,
        )
        await stack.enter_async_context(watching([places.file, *networks.lists.values(), networks.anonymous]))
        facts = FactsCache(
            partial(registry.facts_of, reads), seconds=settings.facts_seconds, entries=settings.facts_entries
        )
        factory = await stack.enter_async_context(channel(settings.factory_address))
        anchor = await stack.enter_async_context(channel(settings.anchor_address))
        limits = Limits(rates=_rates(settings), region=settings.region)
        partners = Partners(partial(registry.keys_of, reads), clock=clock)
        lookups = Lookups(keys=keys, facts=facts, hot_state=hot_state, limits=limits, partners=partners)
        scans = await stack.enter_async_context(
            aclosing(
                Scans(
                    keys=keys,
                    facts=facts,
                    hot_state=hot_state,
                    limits=limits,
                    partners=partners,
                    places=places,
                    networks=networks,
                    reads=reads,
                    writes=writes,
                    breaker=breaker,
                    fingerprints=fingerprints,
                    clock=clock,
                    keeps_hints=settings.hint_retention_hours > 0,
                    timeout_seconds=settings.scan_timeout_seconds,
                    linger_seconds=settings.linger_seconds,
                    max_waiting=settings.max_waiting,
                )
            )
        )
        reports = Reports(
            keys=keys,
            lookups=lookups,
            connection=reads,
            fingerprints=fingerprints,
            clock=clock,
            most_per_address=settings.reports_per_address,
        )
        proofs = ProofServices(factory=factory, anchor=anchor, tokens=tokens)
        servicer = ScanServicer(
            scans=scans,
            pages=Pages(scans=scans, reports=reports),
            receipts=Receipts(lookups=lookups, proofs=proofs),
            reports=reports,
            ledger=Ledger(connection=reads),
            keys=VerdictKeys(settings.verdict_keys),
            readiness=Readiness(connection=reads, parts=[places, *networks.parts]),
        )
        await stack.enter_async_context(following_news(hot_state, facts))
        with suppress(Unavailable):  # then the first scan makes its partition
            await ensure_partitions(connection=writes, clock=clock)
        server = Server(
            settings=settings,
            services={DESCRIPTOR: servicer, HISTORY: ScanHistoryServicer(records=records)},
            interceptors=interceptors.standard(settings, authenticate=authenticate),
        )
        async with server:
            yield server


def _rates(settings: Settings) -> Rates:
    return Rates(
        per_minute=settings.scans_per_minute,
        key_per_minute=settings.key_scans_per_minute,
        everywhere_per_minute=settings.global_scans_per_minute,
        key_everywhere_per_minute=settings.global_key_scans_per_minute,
        failures_per_minute=settings.failures_per_minute,
        newcomer_seconds=settings.newcomer_seconds,
        platform_per_second=settings.scans_per_second,
        region_per_second=settings.region_scans_per_second,
    )


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    async with open_app(settings):
        _calm_collector()
        await stop.wait()


def _calm_collector() -> None:
    """Keep the cyclic garbage collector from walking modules, contracts and cached facts over and over.

    Scans make no cycles; by default the collector still ran several times a second over everything that lives, for a
    third of a scan's CPU and pauses of tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
