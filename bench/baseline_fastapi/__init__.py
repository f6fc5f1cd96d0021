"""Scan as a FastAPI service, to measure ours against: the same work, the same promises, called without an edge.

`idiomatic` is what a good team writes first: FastAPI with pydantic models, SQLAlchemy's async ORM, redis-py, uvicorn
with uvloop and httptools. `tuned` is the same endpoint over our own tricks: one coalesced round trip to Valkey, facts
in a cache, prepared statements, the group commit. Both check the code, keep limits, count the unit's sessions, score
the risk, and record the scan and its unit's counter durably before they answer, with the same JSON.
"""
