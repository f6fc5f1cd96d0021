"""The one history of the database's shape (Alembic).

`python -m services.migrations upgrade` brings a database up to date. Migrations are frozen SQL: they never import the
tables of today.
"""
