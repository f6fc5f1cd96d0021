"""Signed statements about batches."""

from google.api import httpbody_pb2

from services.common.rpc.call import Call
from services.factory.convert import statements as convert
from services.factory.convert.batches import batch_id
from services.factory.operations.statements import Statements
from voketag.factory.v1 import statements_pb2


class StatementMethods:
    """The methods on statements."""

    _statements: Statements

    async def get_batch_statement(
        self, request: statements_pb2.GetBatchStatementRequest, call: Call
    ) -> statements_pb2.BatchStatement:
        """Return how many units a batch has, signed."""
        return convert.statement(await self._statements.get(call.caller.tenant, batch_id(request)))

    async def get_statement_keys(
        self, _request: statements_pb2.GetStatementKeysRequest, _call: Call
    ) -> httpbody_pb2.HttpBody:
        """Return the public keys of statements."""
        return convert.jwks(self._statements.jwks)
