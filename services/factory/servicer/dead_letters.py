"""Dead letters."""

from uuid import UUID

from services.common.paging import page_size
from services.common.rpc.call import Call
from services.factory.convert import dead_letters as convert
from services.factory.convert.fields import position_uuid, text, who
from services.factory.idempotency import Writes
from services.factory.operations.dead_letters import DeadLetters
from voketag.factory.v1 import dead_letters_pb2 as pb


class DeadLetterMethods:
    """The methods on dead letters."""

    _writes: Writes
    _dead_letters: DeadLetters

    async def list_dead_letters(self, request: pb.ListDeadLettersRequest, call: Call) -> pb.ListDeadLettersResponse:
        """List dead letters, newest first."""
        page = await self._dead_letters.list(
            call.caller.tenant,
            kind=text("kind", request.kind),
            include_resolved=request.include_resolved,
            before=position_uuid(request.page_token),
            limit=page_size(request.page_size),
        )
        return convert.dead_letter_page(page)

    async def get_dead_letter(self, request: pb.GetDeadLetterRequest, call: Call) -> pb.DeadLetter:
        """Return one dead letter."""
        return convert.dead_letter(await self._dead_letters.get(call.caller.tenant, UUID(request.dead_letter_id)))

    async def replay_dead_letter(self, request: pb.ReplayDeadLetterRequest, call: Call) -> pb.DeadLetter:
        """Do the work again."""
        letter_id, reason, author = UUID(request.dead_letter_id), text("reason", request.reason), who(call.caller)
        return await self._writes.once(
            call,
            request,
            lambda tx: self._dead_letters.replay(tx, call.caller.tenant, letter_id, who=author, reason=reason),
            convert.dead_letter,
        )

    async def replay_dead_letters(
        self, request: pb.ReplayDeadLettersRequest, call: Call
    ) -> pb.ReplayDeadLettersResponse:
        """Do the work of a kind again."""
        kind, reason, author = text("kind", request.kind), text("reason", request.reason), who(call.caller)
        since = convert.since(request)
        return await self._writes.once(
            call,
            request,
            lambda tx: self._dead_letters.replay_all(
                tx, call.caller.tenant, kind=kind, since=since, who=author, reason=reason
            ),
            convert.replayed,
        )

    async def discard_dead_letter(self, request: pb.DiscardDeadLetterRequest, call: Call) -> pb.DeadLetter:
        """Give the work up."""
        letter_id, reason, author = UUID(request.dead_letter_id), text("reason", request.reason), who(call.caller)
        return await self._writes.once(
            call,
            request,
            lambda tx: self._dead_letters.discard(tx, call.caller.tenant, letter_id, who=author, reason=reason),
            convert.dead_letter,
        )
