"""Proofs, for Scan."""

from services.common.rpc.call import Call
from services.factory.convert import proofs as convert
from services.factory.operations.proofs import Proofs
from voketag.factory.v1 import factory_pb2


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
