"""Answers of the chain are kept for a moment, boundedly, and asked for once."""

import asyncio

import pytest

from services.anchor.answers import Answers


class Chain:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False
        self.open = asyncio.Event()
        self.open.set()

    async def ask(self) -> int:
        self.asked += 1
        number = self.asked
        await self.open.wait()
        if self.away:
            raise ConnectionError
        return number


class Time:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_an_answer_serves_until_its_time_is_over() -> None:
    chain, time = Chain(), Time()
    answers: Answers[int] = Answers(seconds=2, entries=10, now=time)
    assert await answers.get("a", chain.ask) == 1
    time.now += 1.9
    assert await answers.get("a", chain.ask) == 1
    time.now += 0.2
    assert await answers.get("a", chain.ask) == 2


async def test_its_time_counts_from_the_question_not_from_the_answer() -> None:
    chain, time = Chain(), Time()
    answers: Answers[int] = Answers(seconds=2, entries=10, now=time)

    async def slow() -> int:
        time.now += 2
        return await chain.ask()

    assert await answers.get("a", slow) == 1
    assert await answers.get("a", chain.ask) == 2


async def test_those_who_ask_at_the_same_time_wait_for_one_question() -> None:
    chain = Chain()
    chain.open.clear()
    answers: Answers[int] = Answers(seconds=2, entries=10)
    waiting = [asyncio.create_task(answers.get("a", chain.ask)) for _ in range(50)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # the one who asked gives up; the others still get their answer
    await asyncio.sleep(0)
    chain.open.set()
    answered = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answered[0], asyncio.CancelledError)
    assert answered[1:] == [1] * 49
    assert chain.asked == 1


async def test_failures_are_not_kept() -> None:
    chain = Chain()
    answers: Answers[int] = Answers(seconds=2, entries=10)
    chain.away = True
    with pytest.raises(ConnectionError):
        await answers.get("a", chain.ask)
    chain.away = False
    assert await answers.get("a", chain.ask) == 2


async def test_no_more_answers_are_kept_than_there_may_be() -> None:
    chain = Chain()
    answers: Answers[int] = Answers(seconds=1000, entries=3)
    for question in range(10):
        await answers.get(question, chain.ask)
    for question in (7, 8, 9):
        assert await answers.get(question, chain.ask) == question + 1
    assert await answers.get(0, chain.ask) == 11


async def test_zero_seconds_keep_nothing() -> None:
    chain = Chain()
    answers: Answers[int] = Answers(seconds=0, entries=10)
    assert [await answers.get("a", chain.ask) for _ in range(3)] == [1, 2, 3]
