"""The cache of facts: how long it believes, what it forgets, and how many queries it makes."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from services.common.errors import Unavailable
from services.scan import news
from services.scan.facts import FactsCache
from services.scan.model import BatchFacts, ProductFacts, TenantPolicy, UnitFacts, UnitState

NOBODY = UUID(int=0)


def unit(unit_id: int, state: UnitState = UnitState.ACTIVE) -> UnitFacts:
    return UnitFacts(
        unit_id=unit_id,
        tenant_id=NOBODY,
        serial=f"S{unit_id}",
        state=state,
        state_reason=0,
        batch=BatchFacts(batch_id=NOBODY, lot="", manufactured_at=None, expires_at=None, sandbox=False),
        product=ProductFacts(product_id=NOBODY, name="", gtin="", category="", image_url=""),
        policy=TenantPolicy(warning_above=40, high_risk_above=70, disabled_factors=frozenset(), languages=()),
        known_scans=0,
    )


class Table:
    """A registry in memory that notes what it was asked, and answers when it is let."""

    def __init__(self, *units: UnitFacts) -> None:
        self.rows = {row.unit_id: row for row in units}
        self.queries: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.time = 100.0

    async def load(self, unit_ids: Sequence[int]) -> dict[int, UnitFacts]:
        self.queries.append(list(unit_ids))
        found = {unit_id: self.rows[unit_id] for unit_id in unit_ids if unit_id in self.rows}
        await self.open.wait()
        return found

    def cache(self, entries: int = 100) -> FactsCache:
        return FactsCache(self.load, seconds=0.9, entries=entries, now=lambda: self.time)


async def test_facts_are_believed_for_less_than_a_second_from_when_the_query_began() -> None:
    table = Table(unit(1))
    cache = table.cache()
    table.open.clear()
    asked = asyncio.create_task(cache.get([1]))
    await asyncio.sleep(0)
    table.time += 0.5
    table.open.set()
    assert await asked == {1: unit(1)}
    table.time += 0.3
    await cache.get([1])
    assert len(table.queries) == 1
    table.time += 0.11
    await cache.get([1])
    assert len(table.queries) == 2


async def test_absent_units_are_remembered_as_absent() -> None:
    table = Table()
    cache = table.cache()
    assert await cache.get([1]) == {1: None}
    assert await cache.get([1]) == {1: None}
    assert table.queries == [[1]]


async def test_units_that_are_asked_for_together_share_one_query() -> None:
    table = Table(unit(1), unit(2))
    cache = table.cache()
    assert await cache.get([1, 2, 1, 3, 2, 1]) == {1: unit(1), 2: unit(2), 3: None}
    assert [sorted(query) for query in table.queries] == [[1, 2, 3]]
    assert await cache.get([1, 4]) == {1: unit(1), 4: None}
    assert table.queries[1:] == [[4]]


@pytest.mark.parametrize(
    "payload", ["1", "1-1", "0-900000", "7,0-2,9", "batch:00000000-0000-0000-0000-000000000000", "what is this"]
)
async def test_news_make_it_forget(payload: str) -> None:
    table = Table(unit(1))
    cache = table.cache()
    await cache.get([1])
    table.rows[1] = unit(1, UnitState.RECALLED)
    news.apply(payload, cache)
    assert await cache.get([1]) == {1: unit(1, UnitState.RECALLED)}


@pytest.mark.parametrize("payload", ["2", "2-1000000", "0-0,2-3", "11"])
async def test_news_of_another_unit_change_nothing(payload: str) -> None:
    table = Table(unit(1))
    cache = table.cache()
    await cache.get([1])
    news.apply(payload, cache)
    await cache.get([1])
    assert len(table.queries) == 1


async def test_what_a_query_saw_before_the_news_is_not_kept() -> None:
    table = Table(unit(1))
    cache = table.cache()
    table.open.clear()
    asked = asyncio.create_task(cache.get([1]))
    await asyncio.sleep(0.01)
    table.rows[1] = unit(1, UnitState.RECALLED)
    news.apply("1", cache)
    table.open.set()
    await asked
    assert await cache.get([1]) == {1: unit(1, UnitState.RECALLED)}


async def test_the_oldest_go_when_it_is_full() -> None:
    table = Table(*(unit(number) for number in range(10)))
    cache = table.cache(entries=3)
    for number in range(10):
        await cache.get([number])
    for number in (9, 8, 7):
        await cache.get([number])
    assert len(table.queries) == 10
    await cache.get([6])
    assert len(table.queries) == 11


async def test_a_query_that_fails_fails_those_who_asked_and_nobody_later() -> None:
    table = Table(unit(1))
    broken = True

    async def load(unit_ids: Sequence[int]) -> dict[int, UnitFacts]:
        if broken:
            raise Unavailable
        return await table.load(unit_ids)

    cache = FactsCache(load, seconds=0.9, entries=10)
    with pytest.raises(Unavailable):
        await cache.get([1])
    broken = False
    assert await cache.get([1]) == {1: unit(1)}
