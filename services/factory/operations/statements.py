"""Proof of how many: signed statements about batches.

The batch's root commits to its size twice over: every leaf commits to the batch's facts, which name the quantity, and
the anchor on the chain is a leaf over root and size. The statement says the numbers in words that need neither tree nor
chain, signed and dated, so that a brand can keep it and hold a contract manufacturer to it.
"""

from uuid import UUID

from services.common.clock import Clock
from services.common.database import Database
from services.common.statements import StatementKeys
from services.factory.model.statements import TYPE, BatchStatement, SignedStatement
from services.factory.storage import batches, units


class Statements:
    """Statements about batches of one tenant at a time."""

    def __init__(self, *, database: Database, clock: Clock, keys: StatementKeys) -> None:
        self._database = database
        self._clock = clock
        self._keys = keys

    async def get(self, tenant_id: UUID, batch_id: UUID) -> SignedStatement:
        """Return a batch's statement as of now; BatchNotFound."""
        async with self._database.reading() as tx:
            batch = await batches.get(tx, tenant_id, batch_id)
            first = batch.range.first_unit_id
            blocked = await units.count_blocked(tx, first, first + batch.issued_count)
        statement = BatchStatement(batch=batch, blocked=blocked)
        return SignedStatement(
            statement=statement, jws=self._keys.sign(statement.claims(), kind=TYPE, now=self._clock.now())
        )

    @property
    def jwks(self) -> str:
        """The public keys, as the text of a JWK set."""
        return self._keys.jwks
