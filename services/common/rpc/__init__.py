"""gRPC in and out: one server builder, one pipeline around every call, one translation of errors.

Rooms hand over a servicer (plain async methods of a request and a `Call`) and get a server; protobuf and grpc
stay here and in the rooms' `servicer.py` and `convert.py`.
"""
