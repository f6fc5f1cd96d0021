"""Admin's settings, on top of every server's."""

from datetime import timedelta

from pydantic import Field, FilePath

from services.common.settings import ProcessSettings, ServerSettings


class Settings(ServerSettings):
    """What the server needs."""

    user_token_key: FilePath
    """Ed25519 private key that signs access tokens, `user-<n>.pem`; its public half is in `token_public_keys`."""
    access_token_minutes: int = Field(default=15, ge=1, le=60)
    """How long an access token holds."""

    @property
    def access_token_lifetime(self) -> timedelta:
        """How long an access token holds."""
        return timedelta(minutes=self.access_token_minutes)


class CliSettings(ProcessSettings):
    """What the command line needs: the database alone."""
