"""Statements about batches in protobuf."""

from google.api import httpbody_pb2

from services.factory.model.statements import SignedStatement
from voketag.factory.v1 import statements_pb2


def statement(signed: SignedStatement) -> statements_pb2.BatchStatement:
    """Return a statement."""
    said = signed.statement
    return statements_pb2.BatchStatement(
        jws=signed.jws,
        ordered=said.batch.quantity,
        issued=said.batch.issued_count,
        voided=said.voided,
        merkle_root=said.batch.merkle_root.hex() if said.batch.merkle_root else "",
        tree_size=said.tree_size,
    )


def jwks(text: str) -> httpbody_pb2.HttpBody:
    """Return a JWK set as a body."""
    return httpbody_pb2.HttpBody(content_type="application/jwk-set+json", data=text.encode())
