"""Writes what a deployment found out into a file of settings: lines of `NAME=value`, as systemd's EnvironmentFile."""

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path


def write_settings(file: Path, settings: Mapping[str, str]) -> None:
    """Set these names in the file and leave its other lines as they are; it is made where there is none.

    Whole or not at all: a service that starts at this moment reads the old file or the new one. ValueError for a value
    that is not one line. OSError when the folder cannot be written.
    """
    for name, value in settings.items():
        if not re.fullmatch(r"[A-Za-z0-9_.:/-]*", value):
            raise ValueError(f"{name} has a value that would need quotes: {value!r}")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    rest = dict(settings)
    for at, line in enumerate(lines):
        name = line.partition("=")[0].strip()
        if name in settings:
            lines[at] = f"{name}={settings[name]}"
            rest.pop(name, None)
    lines += [f"{name}={value}" for name, value in rest.items()]
    handle, made = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as new:
            new.write("\n".join(lines) + "\n")
            new.flush()
            os.fsync(new.fileno())
        Path(made).chmod(file.stat().st_mode & 0o777 if file.exists() else 0o640)
        Path(made).replace(file)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise
