"""`python -m services.admin.cli`: what is done before anybody can sign in. Answers are JSON."""

import argparse
import asyncio
import json
import sys
from contextlib import aclosing
from pathlib import Path
from uuid import UUID

from services.admin.operations import create_user
from services.admin.settings import CliSettings
from services.common.caller import Role
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.errors import VokeTagError


async def _create_user(arguments: argparse.Namespace) -> dict[str, str]:
    async with aclosing(Database.open(CliSettings())) as database:
        user = await create_user(
            database=database,
            clock=SystemClock(),
            email=arguments.email,
            password=arguments.password_file.read_text(encoding="utf-8").strip(),
            role=Role[arguments.role.upper()],
            tenant_id=arguments.tenant,
        )
    return {"user_id": str(user.user_id), "email": user.email, "role": user.role.name}


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m services.admin.cli", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("create-user", help="add a person")
    command.add_argument("--email", required=True)
    command.add_argument("--role", required=True, choices=[role.name.lower() for role in Role])
    command.add_argument("--tenant", type=UUID, help="UUID of the tenant that the person works for")
    command.add_argument(
        "--password-file", type=Path, required=True, help="a file, so that the password is in no process list"
    )
    arguments = parser.parse_args()
    try:
        print(json.dumps(asyncio.run(_create_user(arguments))))
    except VokeTagError as error:
        sys.exit(f"{error.reason}: {error.message}")


if __name__ == "__main__":
    main()
