"""voketag.factory.v1.FactoryService: one method per RPC, in a module per topic."""

from services.factory.idempotency import Writes
from services.factory.operations.api_keys import ApiKeys
from services.factory.operations.batches import Batches
from services.factory.operations.dead_letters import DeadLetters
from services.factory.operations.deliveries import Deliveries
from services.factory.operations.imports import Imports
from services.factory.operations.products import Products
from services.factory.operations.proofs import Proofs
from services.factory.operations.settings import Settings
from services.factory.operations.statements import Statements
from services.factory.operations.unit_events import UnitEvents
from services.factory.operations.unit_states import UnitStates
from services.factory.operations.units import Units
from services.factory.operations.watching import BatchWatch
from services.factory.operations.webhooks import Webhooks
from services.factory.scan_client import ScanHistory
from services.factory.servicer.api_keys import ApiKeyMethods
from services.factory.servicer.batches import BatchMethods
from services.factory.servicer.dead_letters import DeadLetterMethods
from services.factory.servicer.imports import ImportMethods
from services.factory.servicer.products import ProductMethods
from services.factory.servicer.proofs import ProofMethods
from services.factory.servicer.scans import ScanMethods
from services.factory.servicer.settings import SettingsMethods
from services.factory.servicer.statements import StatementMethods
from services.factory.servicer.unit_events import UnitEventMethods
from services.factory.servicer.unit_states import UnitStateMethods
from services.factory.servicer.units import UnitMethods
from services.factory.servicer.webhooks import WebhookMethods


class FactoryServicer(
    ProductMethods,
    BatchMethods,
    ImportMethods,
    UnitMethods,
    UnitStateMethods,
    ApiKeyMethods,
    ProofMethods,
    SettingsMethods,
    UnitEventMethods,
    WebhookMethods,
    DeadLetterMethods,
    StatementMethods,
    ScanMethods,
):
    """All of the contract's methods. Each topic's class names the use cases that it needs."""

    def __init__(
        self,
        *,
        writes: Writes,
        products: Products,
        batches: Batches,
        imports: Imports,
        watch: BatchWatch,
        units: Units,
        unit_states: UnitStates,
        api_keys: ApiKeys,
        proofs: Proofs,
        settings: Settings,
        unit_events: UnitEvents,
        webhooks: Webhooks,
        deliveries: Deliveries,
        dead_letters: DeadLetters,
        statements: Statements,
        scans: ScanHistory,
    ) -> None:
        self._writes = writes
        self._products = products
        self._batches = batches
        self._imports = imports
        self._watch = watch
        self._units = units
        self._unit_states = unit_states
        self._api_keys = api_keys
        self._proofs = proofs
        self._settings = settings
        self._unit_events = unit_events
        self._webhooks = webhooks
        self._deliveries = deliveries
        self._dead_letters = dead_letters
        self._statements = statements
        self._scans = scans
