"""Factory hears of every outcome, however long it is away."""

from tests.storage.anchor.line import Line

ROOT = b"\x01" * 32


async def confirmed(line: Line) -> None:
    await line.send()
    await line.latest_mined()
    await line.settling.settle()


async def test_factory_hears_of_outcomes_when_it_is_back_after_hours(line: Line) -> None:
    (anchor,) = await line.submit(ROOT)
    await confirmed(line)
    line.factory.away = True
    for _ in range(20):
        await line.reporting.report()
        line.clock.pass_by(600)
    line.factory.away = False
    await line.reporting.report()
    assert await line.batch_ids() == [anchor.batch_id]


async def test_a_report_whose_answer_was_lost_is_repeated(line: Line) -> None:
    (anchor,) = await line.submit(ROOT)
    await confirmed(line)
    line.factory.mute = True
    await line.reporting.report()
    line.factory.mute = False
    line.clock.pass_by(2)
    for _ in range(2):
        await line.reporting.report()
    assert await line.batch_ids() == [anchor.batch_id] * 2


async def test_a_factory_that_is_away_is_asked_less_and_less(line: Line) -> None:
    await line.submit(ROOT)
    await confirmed(line)
    line.factory.away = True
    pauses = []
    for _ in range(8):
        await line.reporting.report()
        ((due, now),) = await line.rows(
            "SELECT next_report_at, CAST(:now AS timestamptz) FROM anchor.anchors", now=line.clock.now()
        )
        pauses.append(round((due - now).total_seconds()))
        line.clock.pass_by(pauses[-1] + 1)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_more_outcomes_than_one_round_takes_are_all_reported(line: Line) -> None:
    submitted = await line.submit(*(bytes([index]) * 32 for index in range(1, 251)))
    await confirmed(line)
    assert await line.reporting.report(), "there is more"
    assert not await line.reporting.report()
    assert sorted(await line.batch_ids()) == sorted(anchor.batch_id for anchor in submitted)
