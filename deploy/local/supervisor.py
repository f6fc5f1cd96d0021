"""What `up` does once everything runs: start again what crashed, stop everything when asked."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deploy.local.errors import StackError
from deploy.local.stack import LocalStack

_LOOK_SECONDS = 0.5
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_SOUND_SECONDS = 60.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asked to stop. Not an Exception, so that nothing on the way takes it for a failure."""


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise Stopped where the main thread is when SIGINT, SIGTERM or SIGHUP comes; later ones change nothing."""

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)  # stopping takes seconds, and must not be broken off halfway
        raise Stopped(signal.Signals(number).name)

    before = {each: signal.signal(each, stop) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def supervise(stack: LocalStack) -> None:
    """Start again what crashed, for ever. What keeps crashing is left alone for longer and longer, up to 30 s."""
    pauses: dict[str, float] = {}
    not_before: dict[str, float] = {}
    while True:
        time.sleep(_LOOK_SECONDS)
        for name, part in stack.parts.items():
            now, due = time.monotonic(), not_before.get(name, 0.0)
            if part.running:
                if now > due + _SOUND_SECONDS:
                    pauses.pop(name, None)
            elif now >= due:
                pause = pauses.get(name, _FIRST_PAUSE_SECONDS)
                not_before[name], pauses[name] = now + pause, min(pause * 2, _LONGEST_PAUSE_SECONDS)
                _start_again(stack, name)


def _start_again(stack: LocalStack, name: str) -> None:
    print(f"{name} ended by itself, starting it again", flush=True)
    try:
        stack.start(name)
    except StackError as error:
        print(error, flush=True)
