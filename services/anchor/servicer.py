"""One method per RPC."""

from uuid import UUID

from services.anchor import convert
from services.anchor.operations.anchors import Anchors
from services.anchor.operations.status import Status
from services.anchor.operations.verification import Verification
from services.common.rpc.call import Call
from voketag.anchor.v1 import anchor_pb2


class AnchorServicer:
    """voketag.anchor.v1.AnchorService."""

    def __init__(self, *, anchors: Anchors, verification: Verification, status: Status) -> None:
        self._anchors = anchors
        self._verification = verification
        self._status = status

    async def submit_anchor(self, request: anchor_pb2.SubmitAnchorRequest, call: Call) -> anchor_pb2.Anchor:
        """Take a root to anchor."""
        anchor = await self._anchors.submit(
            batch_id=UUID(request.batch_id),
            merkle_root=bytes.fromhex(request.merkle_root),
            tree_size=request.tree_size,
            kind=convert.kind(request, call.caller),
            chains=request.chains,
            urgent=request.urgent,
            tenant_id=UUID(request.tenant_id) if request.tenant_id else None,
        )
        return convert.anchor(anchor)

    async def get_anchor(self, request: anchor_pb2.GetAnchorRequest, _call: Call) -> anchor_pb2.Anchor:
        """Return a batch's anchor."""
        return convert.anchor(await self._anchors.get(UUID(request.batch_id)))

    async def list_anchors(self, request: anchor_pb2.ListAnchorsRequest, _call: Call) -> anchor_pb2.ListAnchorsResponse:
        """List anchors, newest first."""
        page = await self._anchors.list_page(
            before=convert.position(request.page_token), size=request.page_size, state=convert.state_filter(request)
        )
        return convert.anchor_page(page)

    async def retry_anchor(self, request: anchor_pb2.RetryAnchorRequest, _call: Call) -> anchor_pb2.Anchor:
        """Try a waiting anchor now."""
        return convert.anchor(await self._anchors.retry(UUID(request.anchor_id)))

    async def verify_batch(self, request: anchor_pb2.VerifyBatchRequest, _call: Call) -> anchor_pb2.VerifyBatchResponse:
        """Ask the chain about a batch."""
        return convert.batch_check(await self._verification.batch(UUID(request.batch_id), request.chain))

    async def verify_proof(self, request: anchor_pb2.VerifyProofRequest, _call: Call) -> anchor_pb2.VerifyProofResponse:
        """Check a unit's proof."""
        check = await self._verification.proof(
            UUID(request.batch_id),
            leaf_hash=bytes.fromhex(request.leaf_hash),
            leaf_index=request.leaf_index,
            path=[bytes.fromhex(node) for node in request.inclusion_path],
            chain=request.chain,
        )
        return convert.proof_check(check)

    async def verify_transaction(
        self, request: anchor_pb2.VerifyTransactionRequest, _call: Call
    ) -> anchor_pb2.VerifyTransactionResponse:
        """Ask the chain about a transaction."""
        return convert.transaction_check(await self._verification.transaction(request.tx_id.lower(), request.chain))

    async def get_chain_status(self, request: anchor_pb2.GetChainStatusRequest, _call: Call) -> anchor_pb2.ChainStatus:
        """Return how the chain stands."""
        return convert.chain_status(await self._status.status(request.chain))
