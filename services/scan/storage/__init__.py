"""All of Scan's SQL, in raw asyncpg with prepared statements: the hot path pays for each layer thousands of times a
second."""
