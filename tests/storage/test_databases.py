"""A database that served a test serves the next one only as the migrations left it."""

import pytest

from deploy.local.postgres import Postgres
from tests.databases import Databases

_ROWS = """
    SELECT (SELECT count(*) FROM factory.signing_keys), (SELECT count(*) FROM scan.ledger_state),
        (SELECT next_index FROM scan.ledger_cursors WHERE consumer = 'notices')
    """


def test_rows_are_as_they_were_in_a_database_that_is_used_again(postgres: Postgres, databases: Databases) -> None:
    name = databases.take()
    assert postgres.sql(_ROWS, database=name) == "0|1|0"
    postgres.sql("INSERT INTO factory.signing_keys VALUES (1, 0, now())", database=name)
    postgres.sql("DELETE FROM scan.ledger_state", database=name)
    postgres.sql("UPDATE scan.ledger_cursors SET next_index = 7", database=name)
    databases.give_back(name)
    assert databases.take() == name
    assert postgres.sql(_ROWS, database=name) == "0|1|0"
    databases.give_back(name)


@pytest.mark.parametrize(
    "change",
    [
        "REVOKE INSERT ON scan.scan_events FROM voketag_scan",
        "ALTER TABLE factory.batches ALTER COLUMN batch_id SET DEFAULT gen_random_uuid()",
        "DROP INDEX factory.batches_listing",
        "CREATE FUNCTION factory.further() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE POLICY further ON factory.batches",
    ],
)
def test_a_database_with_another_schema_is_not_used_again(
    postgres: Postgres, databases: Databases, change: str
) -> None:
    name = databases.take()
    postgres.sql(change, database=name)
    databases.give_back(name)
    assert name not in postgres.sql("SELECT datname FROM pg_database", database="postgres")
