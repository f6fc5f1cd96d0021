"""Factory and Anchor as Scan calls them: for receipts, notices and checkpoints, never for a scan."""

from collections.abc import Sequence
from uuid import UUID

import grpc

from services.common.rpc.channels import Peer
from services.common.tokens import ServiceTokens
from services.scan import convert
from services.scan.model import AnchorProofs, Notice, UnitProof
from voketag.anchor.v1 import anchor_pb2, anchor_pb2_grpc
from voketag.factory.v1 import factory_pb2, factory_pb2_grpc


class ProofServices:
    """Asks Factory for units' proofs and Anchor for batches'."""

    def __init__(self, *, factory: grpc.aio.Channel, anchor: grpc.aio.Channel, tokens: ServiceTokens) -> None:
        self._factory = factory_pb2_grpc.FactoryServiceStub(factory)
        self._factory_peer = Peer(name="factory", tokens=tokens)
        self._anchor = anchor_pb2_grpc.AnchorServiceStub(anchor)
        self._anchor_peer = Peer(name="anchor", tokens=tokens)

    async def unit_proof(self, unit_id: int) -> UnitProof:
        """Return a unit's path to its batch's root; ReceiptNotReady while there is none."""
        request = factory_pb2.GetUnitProofRequest(unit_id=unit_id)
        return convert.unit_proof(await self._factory_peer.call(self._factory.GetUnitProof, request))

    async def anchor_proofs(self, batch_id: str) -> AnchorProofs:
        """Return a root's paths to the chains that have confirmed it; AnchorNotFound."""
        request = anchor_pb2.GetAnchorRequest(batch_id=batch_id)
        return convert.anchor_proofs(await self._anchor_peer.call(self._anchor.GetAnchor, request))


class CheckpointTaker:
    """Hands the ledger's checkpoints to Anchor."""

    def __init__(self, *, anchor: grpc.aio.Channel, tokens: ServiceTokens) -> None:
        self._anchor = anchor_pb2_grpc.AnchorServiceStub(anchor)
        self._peer = Peer(name="anchor", tokens=tokens)

    async def submit_checkpoint(self, subject: UUID, *, root: bytes, size: int) -> None:
        """Return when Anchor has taken it; taking it twice changes nothing."""
        request = anchor_pb2.SubmitAnchorRequest(
            batch_id=str(subject), merkle_root=root.hex(), tree_size=size, kind=anchor_pb2.ANCHOR_KIND_LEDGER
        )
        await self._peer.call(self._anchor.SubmitAnchor, request)


class NoticeTaker:
    """Hands notices to Factory."""

    def __init__(self, *, factory: grpc.aio.Channel, tokens: ServiceTokens) -> None:
        self._factory = factory_pb2_grpc.FactoryServiceStub(factory)
        self._peer = Peer(name="factory", tokens=tokens)

    async def take(self, notices: Sequence[Notice]) -> None:
        """Return when Factory has taken all of them; taking one twice changes nothing."""
        await self._peer.call(self._factory.NoteUnitEvents, convert.note_unit_events(notices))
