"""`python -m services.factory.cli`: what is done before anybody has a key. Answers are JSON."""

import argparse
import asyncio
import json
import sys
from contextlib import aclosing
from uuid import UUID

from services.common.caller import TENANT_SCOPES
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.errors import VokeTagError
from services.factory.operations.api_keys import ApiKeys
from services.factory.operations.tenants import create_tenant, get_tenant
from services.factory.settings import CliSettings


async def _create_tenant(arguments: argparse.Namespace, database: Database) -> dict[str, str]:
    tenant = await create_tenant(
        database=database,
        clock=SystemClock(),
        name=arguments.name,
        verification_base_url=arguments.verification_base_url,
    )
    return {"tenant_id": str(tenant.tenant_id), "verification_base_url": tenant.verification_base_url}


async def _create_api_key(arguments: argparse.Namespace, database: Database) -> dict[str, str]:
    tenant = await get_tenant(database=database, tenant_id=arguments.tenant)
    keys = ApiKeys(database=database, clock=SystemClock())
    async with database.transaction() as tx:
        new = await keys.create(
            tx,
            tenant.tenant_id,
            name=arguments.name,
            scopes=arguments.scopes.split(","),
            expires_at=None,
            granted_by=TENANT_SCOPES,
            allowed_sources=arguments.allowed_sources.split(",") if arguments.allowed_sources else (),
        )
    return {"key_id": new.api_key.key_id, "api_key": new.credential}


async def _run(arguments: argparse.Namespace) -> dict[str, str]:
    async with aclosing(Database.open(CliSettings())) as database:
        answer: dict[str, str] = await arguments.run(arguments, database)
        return answer


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.factory.cli", description=__doc__)
    commands = parser.add_subparsers(required=True)
    tenant = commands.add_parser("create-tenant", help="add a company")
    tenant.add_argument("--name", required=True)
    tenant.add_argument("--verification-base-url", required=True, help="codes are printed as <this>/r/<code>")
    tenant.set_defaults(run=_create_tenant)
    key = commands.add_parser("create-api-key", help="make an API key; it is printed this once")
    key.add_argument("--tenant", type=UUID, required=True, help="the tenant's UUID")
    key.add_argument("--name", required=True)
    key.add_argument("--scopes", default=",".join(sorted(TENANT_SCOPES)), help="comma-separated; all by default")
    key.add_argument(
        "--allowed-sources", default="", help="comma-separated addresses and CIDR blocks; everywhere by default"
    )
    key.set_defaults(run=_create_api_key)
    return parser


def main() -> None:
    """Run one command."""
    arguments = _parser().parse_args()
    try:
        print(json.dumps(asyncio.run(_run(arguments))))
    except VokeTagError as error:
        sys.exit(f"{error.reason}: {error.message}")


if __name__ == "__main__":
    main()
