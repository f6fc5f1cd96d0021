"""Factory over gRPC, as the reporter sees it."""

import grpc

from services.anchor.model import Outcome
from services.common.rpc.channels import Peer
from voketag.factory.v1 import factory_pb2, factory_pb2_grpc


class FactoryClient:
    """Reports outcomes to FactoryService."""

    def __init__(self, *, channel: grpc.aio.Channel, peer: Peer) -> None:
        self._stub = factory_pb2_grpc.FactoryServiceStub(channel)
        self._peer = peer

    async def report(self, outcome: Outcome) -> None:
        """Hand over an outcome; raises what Factory answers, or Unavailable."""
        request = factory_pb2.ReportAnchorOutcomeRequest(
            batch_id=str(outcome.batch_id),
            merkle_root=outcome.merkle_root.hex(),
            confirmed=factory_pb2.BatchAnchor(
                tx_hash=outcome.tx_hash, block_number=outcome.block_number, chain_id=outcome.chain_id
            ),
        )
        await self._peer.call(self._stub.ReportAnchorOutcome, request)
