"""The floor that every room stands on: errors, clock, ids, settings, logs, telemetry, caller, database, queue, rpc.

It knows no room, and no business rule of one.
"""
