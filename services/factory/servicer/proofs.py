"""Proofs: those that Scan asks for, and those of void units for their partner."""

from services.common.rpc.call import Call
from services.factory.convert import proofs as convert
from services.factory.convert.batches import batch_id
from services.factory.operations.proofs import Proofs
from voketag.factory.v1 import factory_pb2, statements_pb2


class ProofMethods:
    """The methods on proofs."""

    _proofs: Proofs

    async def get_unit_proof(
        self,
        request: factory_pb2.GetUnitProofRequest,
        call: Call,  # noqa: ARG002
    ) -> factory_pb2.UnitProof:
        """Return a unit's proof."""
        return convert.unit_proof(await self._proofs.get(request.unit_id))

    async def get_voided_unit_proof(
        self, request: statements_pb2.GetVoidedUnitProofRequest, call: Call
    ) -> factory_pb2.UnitProof:
        """Return the proof that a cancelled batch had a unit."""
        return convert.unit_proof(await self._proofs.get_voided(call.caller.tenant, batch_id(request), request.index))
