"""Migrated databases, one for each test: a database whose test is over serves the next, once it is as it was.

Making a database copies some nine hundred files; emptying one that a test used touches the few tables that have rows.
Only what a test may do to rows is undone. A database whose schema, rights or settings changed in any way is dropped.
"""

from uuid import uuid4

from deploy.local.postgres import Postgres

_MAINTENANCE = "postgres"
_MOST_BYTES = 4_000_000
"""A table that grew beyond this is not worth emptying row by row."""

# A transaction's number stands in every row of a catalog that it wrote, so that nothing looks unchanged which was
# changed and changed back. Roles and their settings belong to the whole server.
_CATALOGS = {
    "pg_attrdef": "oid",
    "pg_attribute": "attrelid || '.' || attnum",
    "pg_authid": "oid",
    "pg_class": "oid",
    "pg_constraint": "oid",
    "pg_db_role_setting": "setdatabase || '.' || setrole",
    "pg_default_acl": "oid",
    "pg_index": "indexrelid",
    "pg_namespace": "oid",
    "pg_policy": "oid",
    "pg_proc": "oid",
    "pg_rewrite": "oid",
    "pg_trigger": "oid",
    "pg_type": "oid",
}
_ROWS = " UNION ALL ".join(f"SELECT '{name}', xmin::text, ({key})::text FROM {name}" for name, key in _CATALOGS.items())
_FINGERPRINT = f"""
    SELECT md5(string_agg(catalog || writer || key, ',' ORDER BY catalog, key))
    FROM ({_ROWS}) AS rows (catalog, writer, key)
    """
_TABLES = """
    SELECT c.oid::regclass AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname !~ '^(pg_|information_schema)'
    """
_RESTORED = "restored"
_GROWN = f"SELECT count(*) FROM ({_TABLES}) AS tables WHERE pg_relation_size(name) > {_MOST_BYTES}"


class Databases:
    """Hands out databases of one server, and takes them back."""

    def __init__(self, postgres: Postgres, template: str) -> None:
        """Copy the migrated database `template`, which nobody may write to any more."""
        self._postgres = postgres
        self._template = template
        self._fingerprint = postgres.sql(_FINGERPRINT, database=template)
        self._restore = self._restoring()
        self._clean: list[str] = []

    def take(self) -> str:
        """Return the name of a database that is as the migrations leave it."""
        if self._clean:
            return self._clean.pop()
        name = f"test_{uuid4().hex}"
        self._admin(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY FILE_COPY")
        return name

    def give_back(self, name: str) -> None:
        """Make the database as it was, or drop it. Whoever is still connected is cut off."""
        if self._postgres.sql(self._restore, database=name).endswith(_RESTORED):
            self._clean.append(name)
        else:
            self._admin(f"DROP DATABASE {name} WITH (FORCE)")

    def _restoring(self) -> str:
        """Return what cuts others off, and brings every row and sequence back to the template's where nothing else was
        changed. One connection does it all: to open one costs as much as to empty a database."""
        tables = self._template_sql(f"SELECT name FROM ({_TABLES}) AS tables").split()
        statements = ["SET LOCAL session_replication_role = replica"]  # no triggers, foreign keys among them
        statements += [f"DELETE FROM {table}" for table in tables]
        for table in tables:
            if rows := self._template_sql(f"SELECT json_agg(t) FROM {table} AS t"):
                statements.append(
                    f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, $rows${rows}$rows$)"
                )
        statements += self._template_sql(
            "SELECT format('PERFORM setval(%L, %s, %L)', format('%I.%I', schemaname, sequencename), "
            "coalesce(last_value, start_value), last_value IS NOT NULL) FROM pg_sequences"
        ).splitlines()
        return f"""
            DO $restore$ BEGIN
                PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid();
                IF ({_FINGERPRINT}) = '{self._fingerprint}' AND ({_GROWN}) = 0 THEN
                    {"; ".join(statements)};
                    PERFORM set_config('tests.restored', '{_RESTORED}', false);
                END IF;
            END $restore$;
            SELECT current_setting('tests.restored', true)
            """

    def _template_sql(self, statement: str) -> str:
        return self._postgres.sql(statement, database=self._template)

    def _admin(self, statement: str) -> None:
        self._postgres.sql(statement, database=_MAINTENANCE)
