"""Who runs PostgreSQL, which refuses to run as root, and where that user can reach its files."""

import hashlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from deploy.local.errors import StackError


@dataclass(frozen=True, slots=True)
class Owner:
    """An unprivileged user."""

    uid: int
    gid: int

    @classmethod
    def needed(cls) -> Self | None:
        """Return the user to run as when we are root, and None when we are an ordinary user."""
        if os.geteuid() != 0:
            return None
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            raise StackError(
                "PostgreSQL does not run as root, and there is no user `nobody`: start as another user"
            ) from None
        return cls(uid=nobody.pw_uid, gid=nobody.pw_gid)

    def popen_arguments(self) -> dict[str, Any]:
        """Return what makes subprocess start a program as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def give(self, folder: Path) -> None:
        """Make the folder this user's own."""
        os.chown(folder, self.uid, self.gid)

    def reaches(self, path: Path) -> bool:
        """Tell whether every folder above `path` lets others through."""
        return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents if folder.exists())


def place_for(owner: Owner | None, folder: Path) -> Path:
    """Return `folder`, or the same folder's stand-in under /var/tmp when `owner` could not reach it.

    A clone under /root or in a private temporary folder is closed to `nobody`. The stand-in's name comes from the
    folder's path, so that the next start finds the same data.
    """
    if owner is None or owner.reaches(folder):
        return folder
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    stand_in = Path(f"/var/tmp/voketag-{digest}")  # noqa: S108 - survives a reboot, and is checked below
    stand_in.mkdir(mode=0o711, exist_ok=True)
    found = stand_in.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise StackError(f"{stand_in} belongs to somebody else: remove it")
    stand_in.chmod(0o711)  # whatever the umask was
    return stand_in / folder.name


def link_tree(source: Path, target: Path) -> None:
    """Make `target` the same tree as `source`, by hard links where the file system allows, and by copies elsewhere."""
    if target.exists():
        return
    unfinished = target.with_name(target.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(source, unfinished, symlinks=True, copy_function=_link_or_copy)
    unfinished.rename(target)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
