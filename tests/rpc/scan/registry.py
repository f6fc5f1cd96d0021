"""A registry filled by SQL, for tests that need units but no Factory."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from uuid import UUID, uuid4

import asyncpg

from voketag_kernel.codes import UnitCodeKey


@dataclass(frozen=True)
class IssuedBatch:
    """A batch in the registry and the printed codes of its units, in order."""

    batch_id: UUID
    product_id: UUID
    unit_ids: list[int]
    codes: list[str]


class Registry:
    """Writes what Factory would write."""

    def __init__(self, *, url: str, key: UnitCodeKey) -> None:
        self._url = url
        self.key = key
        self._next = 0

    async def issue(
        self,
        units: int = 1,
        *,
        name: str = "Olive oil",
        state: str = "COMPLETED",
        issued: int | None = None,
        expires_at: date | None = None,
    ) -> IssuedBatch:
        """Add a batch of units; `issued` says how many of them the batch's row admits to, all by default."""
        batch_id, product_id, tenant_id = uuid4(), uuid4(), uuid4()
        minted = [self.key.mint(self._next + place) for place in range(units)]
        now = datetime.now(UTC)
        connection = await asyncpg.connect(self._url)
        try:
            await connection.execute(
                "INSERT INTO factory.signing_keys (key_id, created_at) VALUES (1, $1) ON CONFLICT DO NOTHING", now
            )
            await connection.execute(
                "WITH made AS (INSERT INTO factory.tenants (tenant_id, name, created_at) VALUES ($1, 'Acme', $2)) "
                "INSERT INTO factory.tenant_settings (tenant_id, version, verification_base_url, updated_at, "
                "updated_by) "
                "VALUES ($1, 1, 'https://acme.example', $2, 'operator')",
                tenant_id,
                now,
            )
            await connection.execute(
                "INSERT INTO factory.products (product_id, tenant_id, sku, name, gtin, category, created_at, "
                "updated_at) VALUES ($1, $2, $3, $4, '4006381333931', 'Food', $5, $5)",
                product_id,
                tenant_id,
                f"SKU-{product_id}",
                name,
                now,
            )
            await connection.execute(
                "INSERT INTO factory.batches (batch_id, tenant_id, product_id, quantity, state, key_id, first_number, "
                "lot, manufactured_at, expires_at, issued_count, due_at, created_at, updated_at) "
                "VALUES ($1, $2, $3, $4, $5, 1, $6, 'L-7', '2026-01-31', $7, $8, $9, $9, $9)",
                batch_id,
                tenant_id,
                product_id,
                units,
                state,
                self._next,
                expires_at,
                units if issued is None else issued,
                now,
            )
            await connection.execute("SELECT factory.ensure_unit_partition($1)", minted[0].unit_id)
            await connection.copy_records_to_table(
                "units",
                schema_name="factory",
                columns=["unit_id", "batch_id", "serial"],
                records=[(unit.unit_id, batch_id, f"S{place:06}") for place, unit in enumerate(minted)],
            )
        finally:
            await connection.close()
        self._next += units
        return IssuedBatch(
            batch_id=batch_id,
            product_id=product_id,
            unit_ids=[unit.unit_id for unit in minted],
            codes=[unit.code for unit in minted],
        )

    async def api_key(self, *, expires_at: datetime | None = None) -> str:
        """Add a tenant with an API key, and return the key."""
        tenant_id, now = uuid4(), datetime.now(UTC)
        key_id, secret = uuid4().hex[:16], uuid4().hex + "A" * 11
        await self.sql(
            "INSERT INTO factory.tenants (tenant_id, name, created_at) VALUES ($1, 'Partner', $2)", tenant_id, now
        )
        await self.sql(
            "INSERT INTO factory.api_keys (key_id, tenant_id, name, secret_hash, scopes, created_at, expires_at) "
            "VALUES ($1, $2, 'scanner', $3, '{}', $4, $5)",
            key_id,
            tenant_id,
            sha256(secret.encode()).digest(),
            now,
            expires_at,
        )
        return f"vkt_{key_id}_{secret}"

    def never_issued(self) -> str:
        """Return a code that our key signed and no batch contains."""
        return self.key.mint((1 << 40) - 1 - self._next).code

    async def sql(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Run one statement as the database's owner."""
        connection = await asyncpg.connect(self._url)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()
