"""Batches: their states and facts."""

from enum import Enum


class BatchState(Enum):
    """The life of a batch; the values are those of `voketag.factory.v1.BatchState`, the names stand in the database."""

    PENDING = 1
    ISSUING = 2
    ANCHORING = 3
    COMPLETED = 4
    FAILED = 5
    ANCHOR_FAILED = 6
    CANCELLED = 7
