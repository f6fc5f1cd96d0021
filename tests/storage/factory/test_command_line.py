"""The command line, run as operators run it."""

import json
import os
import subprocess
import sys
from typing import Any
from uuid import UUID

import asyncpg

from tests.conftest import DatabaseUrl


def run(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.factory.cli", *arguments],
        env={**os.environ, "VOKETAG_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    answered: dict[str, Any] = json.loads(done.stdout)
    return answered


async def test_a_tenant_and_its_first_key_are_made_and_printed_as_json(database_url: DatabaseUrl) -> None:
    url = database_url("voketag_factory")
    tenant = answer(run(url, "create-tenant", "--name", "Acme", "--verification-base-url", "https://v.example/acme/"))
    assert tenant["verification_base_url"] == "https://v.example/acme"
    key = answer(run(url, "create-api-key", "--tenant", tenant["tenant_id"], "--name", "ERP"))
    assert key["api_key"].startswith(f"vkt_{key['key_id']}_")
    narrow = answer(
        run(
            *(url, "create-api-key", "--tenant", tenant["tenant_id"], "--name", "reader"),
            *("--scopes", "products:read,units:read"),
        )
    )
    connection = await asyncpg.connect(database_url())
    try:
        rows = await connection.fetch("SELECT key_id, tenant_id, scopes FROM factory.api_keys")
    finally:
        await connection.close()
    scopes = {row["key_id"]: row["scopes"] for row in rows}
    assert {row["tenant_id"] for row in rows} == {UUID(tenant["tenant_id"])}
    assert len(scopes[key["key_id"]]) == 15
    assert scopes[narrow["key_id"]] == ["products:read", "units:read"]


async def test_what_cannot_be_is_refused_with_what_to_do(database_url: DatabaseUrl) -> None:
    url = database_url("voketag_factory")
    for arguments, said in (
        (("create-tenant", "--name", "A", "--verification-base-url", "v.example"), "verification_base_url"),
        (
            ("create-tenant", "--name", "A", "--verification-base-url", "https://v.example/?x=1"),
            "verification_base_url",
        ),
        (("create-tenant", "--name", " ", "--verification-base-url", "https://v.example"), "name"),
        (("create-api-key", "--tenant", "0197a1b2-0000-7000-8000-000000000000", "--name", "A"), "create-tenant"),
    ):
        done = run(url, *arguments)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("INVALID_ARGUMENT: ")
        assert said in done.stderr
        assert "Traceback" not in done.stderr
