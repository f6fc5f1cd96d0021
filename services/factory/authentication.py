"""Who calls Factory: an API key begins with `vkt_`; anything else must be a signed token."""

from services.common.caller import Caller
from services.common.credentials import PREFIX
from services.common.tokens import TokenVerifier
from services.factory.operations.key_check import KeyCheck


class Authenticator:
    """Turns a credential into its caller."""

    def __init__(self, *, key_check: KeyCheck, verifier: TokenVerifier) -> None:
        self._key_check = key_check
        self._verifier = verifier

    async def __call__(self, credential: str, client_address: str) -> Caller:
        """Return the caller; Unauthenticated for a credential that does not hold, PermissionDenied for a key used from
        an address that it does not allow.
        """
        if credential.startswith(PREFIX):
            return await self._key_check.caller(credential, client_address)
        return self._verifier.verify(credential)
