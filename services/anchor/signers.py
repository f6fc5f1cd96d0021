"""Which signer the settings name: a key in a file, or another process that holds it."""

from services.anchor.remote_signer import RemoteSigner
from services.anchor.settings import SignerSettings
from services.anchor.signer import Signer, load_signer


def open_signer(settings: SignerSettings, *, local: bool) -> Signer:
    """Return the signer. ValueError says what to repair; a remote signer is asked nothing yet."""
    if settings.remote_signer_url:
        return RemoteSigner(url=settings.remote_signer_url, address=settings.remote_signer_address)
    assert settings.chain_key is not None  # noqa: S101 - the settings have seen to it
    return load_signer(settings.chain_key, local=local, password_file=settings.chain_key_password)
