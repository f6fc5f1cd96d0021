"""One child process: started with a log file, waited for, stopped, killed, paused. Knows nothing of what it runs."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from deploy.local.errors import StackError
from deploy.local.owner import Owner

_PASSED_ON = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR")
_POLL_SECONDS = 0.05
_LOG_LINES_IN_ERRORS = 15
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Process:
    """A program that runs until it is told to stop.

    It leads a session of its own: Ctrl-C in the terminal reaches only the supervisor, which stops the parts in order,
    and whatever the program leaves behind is found by its process group.
    """

    def __init__(
        self,
        *,
        name: str,
        command: Sequence[str | Path],
        log_file: Path,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        owner: Owner | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        start_seconds: float = 30,
        stop_seconds: float = 15,
    ) -> None:
        """`ready` is asked until it is true; `environment` is all that the program gets beside paths and locale."""
        self.name = name
        self._command = [str(part) for part in command]
        self._log_file = log_file
        self._ready = ready
        self._environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ} | dict(environment or {})
        self._owner = owner
        self._stop_signal = stop_signal
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while the program runs."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    @property
    def running(self) -> bool:
        """The program has started and not ended."""
        return self.pid is not None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Start the program and wait until it answers."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start the program without waiting for it. Nothing happens when it runs already."""
        if self.running:
            return
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        with self._log_file.open("ab") as log:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd="/",  # the other user may not be allowed to stand where we do
                start_new_session=True,
                preexec_fn=self._die_with_parent if _libc else None,  # noqa: PLW1509 - one C call, no Python locks
                **(self._owner.popen_arguments() if self._owner else {}),
            )

    def wait_ready(self) -> None:
        """Wait until the program answers; StackError with the end of its log when it does not."""
        deadline = time.monotonic() + self._start_seconds
        while not self._ready():
            if not self.running:
                code = self._child.returncode if self._child else None
                raise StackError(f"{self.name} ended with code {code} while it started.\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} did not answer in {self._start_seconds:g} s.\n{self.log_tail()}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Ask the program to end, and end it when it does not."""
        if self._child is None:
            return
        if self.running:
            self.signal(signal.SIGCONT)  # a paused program would never see the request
            self.signal(self._stop_signal)
            try:
                self._child.wait(self._stop_seconds)
            except subprocess.TimeoutExpired:
                self._child.kill()
        self.kill()

    def kill(self) -> None:
        """End the program and all of its process group at once (SIGKILL)."""
        if self._child is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses a group of zombies
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._child = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program, such as SIGSTOP and SIGCONT."""
        if self._child is not None:
            self._child.send_signal(number)

    def log_tail(self) -> str:
        """The last lines of the log and where the rest is."""
        lines = self._log_file.read_text(errors="replace").splitlines() if self._log_file.exists() else []
        return "\n".join([f"The end of {self._log_file}:", *lines[-_LOG_LINES_IN_ERRORS:]])

    def _die_with_parent(self) -> None:
        # A supervisor that is killed with -9 cannot stop its children; Linux does it in its place. The signal comes
        # when the *thread* that started the child ends, so parts are started from threads that live as long as the
        # stack. macOS has nothing alike: `down` finds the children by the recorded ids.
        _libc.prctl(_PR_SET_PDEATHSIG, int(self._stop_signal))  # type: ignore[union-attr]
