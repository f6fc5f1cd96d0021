"""The database's history is one line: every migration has one before it and at most one behind it."""

from itertools import pairwise

from alembic.script import ScriptDirectory

from services.migrations.__main__ import config


def test_migrations_are_one_line_numbered_from_the_first() -> None:
    scripts = list(ScriptDirectory.from_config(config("postgresql://")).walk_revisions())[::-1]
    assert [each.revision for each in scripts] == [f"{number:04}" for number in range(1, len(scripts) + 1)]
    assert scripts[0].down_revision is None
    assert all(after.down_revision == before.revision for before, after in pairwise(scripts))
    assert all(each.path.rsplit("/", 1)[1].startswith(each.revision) for each in scripts)
