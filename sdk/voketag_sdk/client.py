"""The blocking client: the asynchronous one in a thread of its own (`_sync.py` says why)."""

from collections.abc import Callable
from os import PathLike
from typing import Self

from voketag_sdk._api_keys import AsyncApiKeys
from voketag_sdk._batches import WAIT_SECONDS, AsyncBatches, completed
from voketag_sdk._dead_letters import AsyncDeadLetters
from voketag_sdk._products import AsyncProducts
from voketag_sdk._scans import AsyncScans
from voketag_sdk._settings import AsyncSettings
from voketag_sdk._sync import LoopThread, SyncGroup, blocking, iterating
from voketag_sdk._units import AsyncUnits
from voketag_sdk._webhooks import AsyncWebhooks
from voketag_sdk.aio import DEFAULT_TIMEOUT_SECONDS, AsyncClient
from voketag_sdk.models import Batch
from voketag_sdk.retry import RetryPolicy


class Products(SyncGroup[AsyncProducts]):
    """Products of the tenant."""

    create = blocking(AsyncProducts.create)
    get = blocking(AsyncProducts.get)
    list = iterating(AsyncProducts.list)
    update = blocking(AsyncProducts.update)
    archive = blocking(AsyncProducts.archive)


class Settings(SyncGroup[AsyncSettings]):
    """The tenant's settings."""

    get = blocking(AsyncSettings.get)
    update = blocking(AsyncSettings.update)
    versions = iterating(AsyncSettings.versions)


class Batches(SyncGroup[AsyncBatches]):
    """Batches of the tenant."""

    create = blocking(AsyncBatches.create)
    import_csv = blocking(AsyncBatches.import_csv)
    import_report = blocking(AsyncBatches.import_report)
    get = blocking(AsyncBatches.get)
    list = iterating(AsyncBatches.list)
    watch = iterating(AsyncBatches.watch)
    retry = blocking(AsyncBatches.retry)
    cancel = blocking(AsyncBatches.cancel)
    pause = blocking(AsyncBatches.pause)
    resume = blocking(AsyncBatches.resume)
    export = blocking(AsyncBatches.export)
    rows = iterating(AsyncBatches.rows)
    qr = blocking(AsyncBatches.qr)
    statement = blocking(AsyncBatches.statement)
    voided_proof = blocking(AsyncBatches.voided_proof)
    statement_keys = blocking(AsyncBatches.statement_keys)

    def wait(
        self,
        batch_id: str,
        *,
        progress: Callable[[Batch], object] | None = None,
        timeout: float | None = WAIT_SECONDS,
    ) -> Batch:
        """Return the batch once it is COMPLETED; BatchStopped when it ended otherwise.

        `progress` is called with the batch at every change, in the caller's own thread. DeadlineExceeded after
        `timeout` seconds (None for no bound); the batch goes on, and can be waited for again.
        """
        batch: Batch | None = None
        for batch in self.watch(batch_id, timeout=timeout):
            if progress is not None:
                progress(batch)
        return completed(batch)


class Units(SyncGroup[AsyncUnits]):
    """Units of the tenant's batches."""

    list = iterating(AsyncUnits.list)
    get = blocking(AsyncUnits.get)
    set_state = blocking(AsyncUnits.set_state)
    set_states = blocking(AsyncUnits.set_states)
    set_states_csv = blocking(AsyncUnits.set_states_csv)
    get_job = blocking(AsyncUnits.get_job)
    jobs = iterating(AsyncUnits.jobs)
    wait_for_job = blocking(AsyncUnits.wait_for_job)


class Scans(SyncGroup[AsyncScans]):
    """Consumers' scans of the tenant's units."""

    list = iterating(AsyncScans.list)
    export = blocking(AsyncScans.export)
    analytics = blocking(AsyncScans.analytics)


class ApiKeys(SyncGroup[AsyncApiKeys]):
    """API keys of the tenant."""

    create = blocking(AsyncApiKeys.create)
    list = iterating(AsyncApiKeys.list)
    rotate = blocking(AsyncApiKeys.rotate)
    revoke = blocking(AsyncApiKeys.revoke)


class Webhooks(SyncGroup[AsyncWebhooks]):
    """Webhook endpoints of the tenant, and what was sent to them."""

    create = blocking(AsyncWebhooks.create)
    get = blocking(AsyncWebhooks.get)
    list = iterating(AsyncWebhooks.list)
    update = blocking(AsyncWebhooks.update)
    delete = blocking(AsyncWebhooks.delete)
    rotate_secret = blocking(AsyncWebhooks.rotate_secret)
    test = blocking(AsyncWebhooks.test)
    deliveries = iterating(AsyncWebhooks.deliveries)
    delivery = blocking(AsyncWebhooks.delivery)
    redeliver = blocking(AsyncWebhooks.redeliver)


class DeadLetters(SyncGroup[AsyncDeadLetters]):
    """Dead letters of the tenant: work that failed its last try."""

    list = iterating(AsyncDeadLetters.list)
    get = blocking(AsyncDeadLetters.get)
    replay = blocking(AsyncDeadLetters.replay)
    replay_all = blocking(AsyncDeadLetters.replay_all)
    discard = blocking(AsyncDeadLetters.discard)


class Client(SyncGroup[AsyncClient]):
    """The platform, for ordinary code. Threads may share a client.

    with Client("https://api.example.com", api_key=key) as voketag:
        product = voketag.products.create(sku="AURORA-01", name="Aurora serum")
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        access_token: str | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        retry: RetryPolicy | None = None,
        ca_file: str | PathLike[str] | None = None,
    ) -> None:
        """Remember where the platform is; parameters as for AsyncClient."""
        client = AsyncClient(
            url, api_key=api_key, access_token=access_token, timeout=timeout, retry=retry, ca_file=ca_file
        )
        super().__init__(LoopThread(), client)
        self.products = Products(self._loop, client.products)
        self.settings = Settings(self._loop, client.settings)
        self.batches = Batches(self._loop, client.batches)
        self.units = Units(self._loop, client.units)
        self.scans = Scans(self._loop, client.scans)
        self.api_keys = ApiKeys(self._loop, client.api_keys)
        self.webhooks = Webhooks(self._loop, client.webhooks)
        self.dead_letters = DeadLetters(self._loop, client.dead_letters)

    scan = blocking(AsyncClient.scan)
    receipt = blocking(AsyncClient.receipt)

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Close the connection and end the thread. Closing twice is no error."""
        if not self._loop.closed:
            self._loop.run(self._group.close())
            self._loop.close()
