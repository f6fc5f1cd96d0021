"""Dead letters of the tenant: work that failed its last try."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from uuid import uuid4

from voketag.factory.v1 import dead_letters_pb2 as pb
from voketag_sdk import _convert
from voketag_sdk._items import AsyncItems
from voketag_sdk._transport import Transport
from voketag_sdk.models import DeadLetter, ReplayedDeadLetters


class AsyncDeadLetters:
    """Dead letters of the tenant: work that failed its last try."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, kind: str = "", include_resolved: bool = False, page_size: int = 0) -> AsyncItems[DeadLetter]:
        """List dead letters, newest first; pages are fetched as they are needed."""

        async def pages() -> AsyncGenerator[Sequence[DeadLetter]]:
            request = pb.ListDeadLettersRequest(kind=kind, include_resolved=include_resolved, page_size=page_size)
            while True:
                page = await self._transport.call(self._transport.factory.ListDeadLetters, request)
                yield [_convert.dead_letter(each) for each in page.dead_letters]
                if not page.next_page_token:
                    return
                request.page_token = page.next_page_token

        return AsyncItems(pages)

    async def get(self, dead_letter_id: str, *, timeout: float | None = None) -> DeadLetter:
        """Return a dead letter. DeadLetterNotFound."""
        request = pb.GetDeadLetterRequest(dead_letter_id=dead_letter_id)
        return _convert.dead_letter(
            await self._transport.call(self._transport.factory.GetDeadLetter, request, timeout=timeout)
        )

    async def replay(
        self, dead_letter_id: str, *, reason: str = "", request_id: str | None = None, timeout: float | None = None
    ) -> DeadLetter:
        """Have the work done again. DeadLetterNotFound, DeadLetterResolved, and what the work is refused with."""
        request = pb.ReplayDeadLetterRequest(
            dead_letter_id=dead_letter_id, reason=reason, request_id=request_id or str(uuid4())
        )
        return _convert.dead_letter(
            await self._transport.call(self._transport.factory.ReplayDeadLetter, request, timeout=timeout)
        )

    async def replay_all(
        self,
        kind: str,
        *,
        since: datetime | None = None,
        reason: str = "",
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> ReplayedDeadLetters:
        """Have up to 1,000 of a kind done again, oldest first, of those given up `since` a time with a time zone."""
        request = pb.ReplayDeadLettersRequest(kind=kind, reason=reason, request_id=request_id or str(uuid4()))
        if since is not None:
            if since.tzinfo is None:
                raise ValueError("since needs a time zone, such as datetime.UTC")
            request.since.FromDatetime(since)
        answer = await self._transport.call(self._transport.factory.ReplayDeadLetters, request, timeout=timeout)
        return ReplayedDeadLetters(count=answer.count, remaining=answer.remaining)

    async def discard(
        self, dead_letter_id: str, *, reason: str, request_id: str | None = None, timeout: float | None = None
    ) -> DeadLetter:
        """Give the work up for good; `reason` is for the audit. DeadLetterNotFound, DeadLetterResolved."""
        request = pb.DiscardDeadLetterRequest(
            dead_letter_id=dead_letter_id, reason=reason, request_id=request_id or str(uuid4())
        )
        return _convert.dead_letter(
            await self._transport.call(self._transport.factory.DiscardDeadLetter, request, timeout=timeout)
        )
