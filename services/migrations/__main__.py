"""`python -m services.migrations upgrade`: run by the database's owner before the services start.

Reads `VOKETAG_DATABASE_URL`. Two at once are safe: an advisory lock lets one work while the other waits.
"""

import argparse
import os
from pathlib import Path

from alembic import command
from alembic.config import Config


def config(url: str) -> Config:
    """Return Alembic's settings for the database at `url` (`postgresql://...`)."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.attributes["url"] = url.replace("postgresql://", "postgresql+asyncpg://", 1)
    return made


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m services.migrations", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("upgrade", help="bring the database up to date")
    new = commands.add_parser("new", help="start a migration file")
    new.add_argument("message", help="what changes")
    arguments = parser.parse_args()
    settings = config(os.environ["VOKETAG_DATABASE_URL"])
    if arguments.command == "upgrade":
        command.upgrade(settings, "head")
    else:
        command.revision(settings, message=arguments.message)


if __name__ == "__main__":
    main()
