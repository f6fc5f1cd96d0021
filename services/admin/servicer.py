"""One method per RPC."""

from services.admin import convert
from services.admin.operations import Login
from services.common.rpc.call import Call
from voketag.admin.v1 import admin_pb2


class AdminServicer:
    """voketag.admin.v1.AdminService."""

    def __init__(self, *, login: Login) -> None:
        self._login = login

    async def login(self, request: admin_pb2.LoginRequest, _call: Call) -> admin_pb2.LoginResponse:
        """Sign a person in."""
        outcome = await self._login.login(email=request.email, password=request.password)
        return convert.signed_in(outcome)
