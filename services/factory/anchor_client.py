"""Anchor, called over gRPC."""

from collections.abc import Sequence
from uuid import UUID

import grpc

from services.common.errors import WrongAnchorState
from services.common.rpc.channels import Peer
from services.factory.model.batches import AnchorOutcome, BatchAnchor
from services.factory.operations.anchoring import SubmittedRoot
from voketag.anchor.v1 import anchor_pb2, anchor_pb2_grpc


class AnchorClient:
    """The calls that Factory makes."""

    def __init__(self, *, channel: grpc.aio.Channel, peer: Peer) -> None:
        self._stub = anchor_pb2_grpc.AnchorServiceStub(channel)
        self._peer = peer

    async def submit(
        self, batch_id: UUID, *, tenant_id: UUID, merkle_root: bytes, tree_size: int, chains: Sequence[str]
    ) -> SubmittedRoot:
        """Get or create the anchor of a batch; RootConflict when it has one for another root."""
        request = anchor_pb2.SubmitAnchorRequest(
            batch_id=str(batch_id),
            tenant_id=str(tenant_id),
            merkle_root=merkle_root.hex(),
            tree_size=tree_size,
            chains=chains,
        )
        anchor = await self._peer.call(self._stub.SubmitAnchor, request)
        return SubmittedRoot(anchor_id=UUID(anchor.anchor_id), outcome=_outcome(anchor))

    async def retry(self, anchor_id: UUID) -> None:
        """Put a failed anchor back in line; one that is not failed any more needs no retry."""
        try:
            await self._peer.call(self._stub.RetryAnchor, anchor_pb2.RetryAnchorRequest(anchor_id=str(anchor_id)))
        except WrongAnchorState:
            return


def _outcome(anchor: anchor_pb2.Anchor) -> AnchorOutcome | None:
    root = bytes.fromhex(anchor.merkle_root)
    if anchor.state == anchor_pb2.ANCHOR_STATE_CONFIRMED:
        at = anchor.inclusion
        return AnchorOutcome(root, BatchAnchor(at.tx_hash, at.block_number, at.chain_id))
    if anchor.state == anchor_pb2.ANCHOR_STATE_FAILED:
        return AnchorOutcome(root, None, anchor.error)
    return None
