"""What the chain said a moment ago, for whoever asks the same again.

Anybody may ask for a check, and each costs a few requests to a provider who counts them. So an answer is kept for a few
seconds (it says itself when the chain was asked, and at which block), the number of answers is bounded, and those who
ask the same at the same time wait for one question. Failures are not kept.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[AnswerT]):
    answer: AnswerT
    good_until: float


class Answers(Generic[AnswerT]):
    """Answers by what was asked. 0 seconds keeps nothing."""

    def __init__(self, *, seconds: float, entries: int, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._most = entries
        self._now = now
        # Oldest first, which is also the order in which they expire: all are kept equally long.
        self._kept: dict[Hashable, _Kept[AnswerT]] = {}
        self._asked: dict[Hashable, asyncio.Task[AnswerT]] = {}

    async def get(self, question: Hashable, ask: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        """Return the answer that is kept or on its way, or ask. Raises what `ask` raises."""
        kept = self._kept.get(question)
        if kept is not None and kept.good_until > self._now():
            return kept.answer
        asked = self._asked.get(question)
        if asked is None:
            asked = self._asked[question] = asyncio.ensure_future(self._ask(question, ask))
            asked.add_done_callback(lambda task: self._done(question, task))
        # One who gives up waiting must not take the answer from the others.
        return await asyncio.shield(asked)

    async def _ask(self, question: Hashable, ask: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        good_until = self._now() + self._seconds
        answer = await ask()
        if self._seconds > 0:
            self._keep(question, _Kept(answer, good_until))
        return answer

    def _done(self, question: Hashable, task: "asyncio.Task[AnswerT]") -> None:
        del self._asked[question]
        if not task.cancelled():
            task.exception()  # it was raised to those who wait; when nobody does any more, it is nobody's

    def _keep(self, question: Hashable, kept: _Kept[AnswerT]) -> None:
        self._kept.pop(question, None)
        self._kept[question] = kept
        now = self._now()
        while (oldest := next(iter(self._kept))) != question and (
            len(self._kept) > self._most or self._kept[oldest].good_until <= now
        ):
            del self._kept[oldest]
