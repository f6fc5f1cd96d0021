"""Methods of the contract that are not implemented yet."""

from typing import Any


class Pending:
    """Refuses every one of them; a method leaves this class when it is implemented."""

    async def get_jwks(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError
