"""docs/grpcurl.md as an operator follows it: every command, in one shell, in the order of the page."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

import pytest

from deploy.local.python import ROOT
from deploy.local.stack import LocalStack

PAGE = (ROOT / "docs/grpcurl.md").read_text()
DONE = "--- done"


@dataclass(frozen=True, slots=True)
class Step:
    """One block of commands, and what the page shows of their output."""

    title: str
    commands: str
    shown: tuple[str, ...]


def steps() -> list[Step]:
    found = []
    for section in re.split(r"^## ", PAGE, flags=re.M)[1:]:
        title = section.partition("\n")[0]
        for commands, shown in re.findall(r"```sh\n(.*?)```(?:\n```text\n(.*?)```)?", section, flags=re.S):
            found.append(Step(title, commands, tuple(line.strip() for line in shown.splitlines())))
    return found


def test_the_page_has_commands_and_most_of_them_show_their_output() -> None:
    assert len(steps()) > 15
    assert PAGE.count("```") == 2 * sum(1 + bool(step.shown) for step in steps()), "a block that nobody runs"
    assert sum(not step.shown for step in steps()) == 1, "only the first one, which sets variables, shows nothing"


@pytest.mark.skipif(shutil.which("grpcurl") is None, reason="grpcurl is not on PATH: the page says how to install it")
def test_every_command_of_the_page_does_what_the_page_shows(stack: LocalStack) -> None:
    script = "".join(f"{step.commands}\necho '{DONE}'\n" for step in steps())
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", f"exec 2>&1\n{script}"],
        env=os.environ | {"CREDENTIALS": str(stack.credentials_file)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    outputs = done.stdout.split(f"{DONE}\n")
    missing = [
        f"{step.title}: {line} is not in\n{output}"
        for step, output in zip(steps(), outputs, strict=False)
        for line in step.shown
        if line.removesuffix("...").strip() not in output
    ]
    assert not missing, "\n".join(missing)
    assert done.returncode == 0, f"the commands after these failed:\n{outputs[-1]}{done.stderr}"
    assert outputs[len(steps()) :] == [""]
