"""Statements about batches: how many units were ordered, issued and voided, under which root."""

from dataclasses import dataclass

from services.factory.model.batches import Batch, BatchState

TYPE = "voketag-batch-statement+jwt"
"""The `typ` of a statement's header."""


@dataclass(frozen=True, slots=True)
class BatchStatement:
    """How many units a batch has. `blocked` counts units that were taken out of circulation one by one."""

    batch: Batch
    blocked: int

    @property
    def voided(self) -> int:
        """Units that are void: all of a cancelled batch, else the blocked ones."""
        return self.batch.issued_count if self.batch.state is BatchState.CANCELLED else self.blocked

    @property
    def tree_size(self) -> int:
        """Leaves under the root, 0 while there is none. Every leaf commits to it, and so does the anchor."""
        return self.batch.issued_count if self.batch.merkle_root else 0

    def claims(self) -> dict[str, object]:
        """Return what the signature covers."""
        batch = self.batch
        return {
            "batch_id": str(batch.batch_id),
            "product_id": str(batch.product_id),
            "lot": batch.lot,
            "state": batch.state.name,
            "sandbox": batch.sandbox,
            "ordered": batch.quantity,
            "issued": batch.issued_count,
            "voided": self.voided,
            "merkle_root": batch.merkle_root.hex() if batch.merkle_root else "",
            "tree_size": self.tree_size,
        }


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement and its JWS."""

    statement: BatchStatement
    jws: str
