"""Dead letters in protobuf."""

import json
from datetime import datetime

from services.common.paging import encode_token
from services.factory.convert.fields import moment, timestamp
from services.factory.model.dead_letters import DeadLetter
from services.factory.model.page import Page
from voketag.factory.v1 import dead_letters_pb2 as pb


def since(request: pb.ReplayDeadLettersRequest) -> datetime | None:
    """Return the time from which on letters are meant, None for all."""
    return moment("since", request.since) if request.HasField("since") else None


def dead_letter(letter: DeadLetter) -> pb.DeadLetter:
    """Return a dead letter."""
    return pb.DeadLetter(
        dead_letter_id=str(letter.dead_letter_id),
        kind=letter.kind,
        subject=letter.subject,
        cause=letter.cause,
        payload=json.dumps(letter.payload, ensure_ascii=False),
        created_at=timestamp(letter.created_at),
        resolved_at=timestamp(letter.resolved_at),
        resolution=letter.resolution,
        resolved_by=letter.resolved_by,
        reason=letter.reason,
    )


def dead_letter_page(page: Page[DeadLetter]) -> pb.ListDeadLettersResponse:
    """Return a page of dead letters."""
    return pb.ListDeadLettersResponse(
        dead_letters=map(dead_letter, page.items),
        next_page_token=encode_token(str(page.items[-1].dead_letter_id)) if page.more else "",
    )


def replayed(counts: tuple[int, int]) -> pb.ReplayDeadLettersResponse:
    """Return how many were replayed, and how many wait."""
    return pb.ReplayDeadLettersResponse(count=counts[0], remaining=counts[1])
