"""What a fresh stack needs before it is of use: tables, the contract, a tenant with a key, an operator.

Every step looks first whether it was done, so that a start that was killed in the middle is completed by the next.
"""

import json
from pathlib import Path

from deploy.local import python
from deploy.local.anvil import CHAIN_ID, Anvil
from deploy.local.keys import Keys, write_private
from deploy.local.postgres import Postgres

ADMIN_EMAIL = "admin@voketag.local"
TENANT = "Demo Company"


class Progress:
    """What was made in this data folder, in a file that only the owner reads."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}

    def get(self, name: str) -> str | None:
        """Return what was made, or None."""
        return self._known.get(name)

    def keep(self, **made: str) -> None:
        """Remember, on disk before anything else happens."""
        self._known |= made
        write_private(self._file, json.dumps(self._known, indent=2))


def prepare(*, postgres: Postgres, anvil: Anvil, keys: Keys, progress: Progress) -> str:
    """Bring the database up to date and the contract onto the chain; return the contract's address."""
    with python.Command("services.migrations", "upgrade", settings={"DATABASE_URL": postgres.url()}) as migration:
        address = progress.get("contract_address")
        if address is None or anvil.call("eth_getCode", address, "latest") == "0x":
            address = _deploy_contract(anvil, keys)
            progress.keep(contract_address=address)
        migration.wait()
    return address


def first_tenant(*, postgres: Postgres, keys: Keys, progress: Progress, verification_base_url: str) -> None:
    """Make a tenant with an API key, and an operator, where there are none."""
    if progress.get("tenant_id") is None:
        new = _factory(postgres, "create-tenant", "--name", TENANT, "--verification-base-url", verification_base_url)
        progress.keep(tenant_id=new["tenant_id"])
    if progress.get("partner_api_key") is None:
        key = _factory(postgres, "create-api-key", "--tenant", str(progress.get("tenant_id")), "--name", "local")
        progress.keep(partner_api_key=key["api_key"])
    if not postgres.sql(f"SELECT 1 FROM admin.users WHERE email = '{ADMIN_EMAIL}'"):  # noqa: S608 - a constant
        _create_operator(postgres, keys)


def _deploy_contract(anvil: Anvil, keys: Keys) -> str:
    settings = {
        "ENVIRONMENT": "local",
        "CHAIN_RPC_URL": anvil.url,
        "CHAIN_ID": str(CHAIN_ID),
        "CHAIN_KEY": str(keys.chain_key),
    }
    with python.Command("services.anchor.cli", "deploy-contract", settings=settings) as deployment:
        return str(deployment.answer()["contract_address"])


def _factory(postgres: Postgres, *arguments: str) -> dict[str, str]:
    settings = {"ENVIRONMENT": "local", "DATABASE_URL": postgres.url("voketag_factory")}
    with python.Command("services.factory.cli", *arguments, settings=settings) as command:
        return command.answer()


def _create_operator(postgres: Postgres, keys: Keys) -> None:
    settings = {"ENVIRONMENT": "local", "DATABASE_URL": postgres.url("voketag_admin")}
    arguments = ("--email", ADMIN_EMAIL, "--role", "super_admin", "--password-file", str(keys.admin_password))
    with python.Command("services.admin.cli", "create-user", *arguments, settings=settings) as command:
        command.wait()
