"""Unit proofs in protobuf."""

from services.factory.model.proofs import UnitProof
from voketag.factory.v1 import factory_pb2


def unit_proof(found: UnitProof) -> factory_pb2.UnitProof:
    """Return a proof."""
    return factory_pb2.UnitProof(
        batch_id=str(found.batch_id),
        code=found.code,
        serial=found.serial,
        batch_facts=found.batch_facts,
        salt=found.salt,
        leaf_index=found.leaf_index,
        tree_size=found.tree_size,
        batch_root=found.batch_root,
        inclusion_path=found.inclusion_path,
    )
