"""Files of units in protobuf."""

from collections.abc import AsyncIterator
from uuid import UUID

from google.api import httpbody_pb2

from services.common.errors import FileTooLarge, InvalidArgument
from services.factory.convert.batches import batch_order
from services.factory.convert.fields import timestamp
from services.factory.model.batches import BatchOrder
from services.factory.model.imports import MAX_FILE_BYTES, CsvFault, ImportReport
from voketag.factory.v1 import factory_pb2, imports_pb2

_CSV_TYPES = ("", "text/csv", "application/csv", "application/octet-stream")
_PIECE_BYTES = 256 * 1024


async def order_of_stream(requests: AsyncIterator[imports_pb2.ImportUnitsRequest]) -> imports_pb2.ImportOrder:
    """Return the stream's first message; InvalidArgument when it is no order."""
    first = await anext(requests, None)
    if first is None or first.WhichOneof("part") != "order":
        raise InvalidArgument.of("order", "the first message of the stream has the order")
    return first.order


async def pieces_of_stream(
    requests: AsyncIterator[imports_pb2.ImportUnitsRequest], size_bytes: int
) -> AsyncIterator[bytes]:
    """Yield the file's pieces; InvalidArgument for another order, and for a file of another size than was said."""
    length = 0
    async for request in requests:
        if request.WhichOneof("part") != "chunk":
            raise InvalidArgument.of("order", "only the first message of the stream has the order")
        length += len(request.chunk)
        yield request.chunk
    if size_bytes and length != size_bytes:
        raise InvalidArgument.of("order.size_bytes", f"the file has {size_bytes} bytes, and {length} of them arrived")


async def pieces(body: httpbody_pb2.HttpBody) -> AsyncIterator[bytes]:
    """Yield a file that came whole; FileTooLarge beyond 10 MiB, InvalidArgument for what is no CSV."""
    if len(body.data) > MAX_FILE_BYTES:
        raise FileTooLarge
    if body.content_type.partition(";")[0].strip().lower() not in _CSV_TYPES:
        raise InvalidArgument.of("file.content_type", "send the file as text/csv")
    for start in range(0, len(body.data), _PIECE_BYTES):
        yield body.data[start : start + _PIECE_BYTES]


def order_of_file(request: imports_pb2.ImportUnitsCsvRequest) -> imports_pb2.ImportOrder:
    """Return the order of a file that came whole."""
    return imports_pb2.ImportOrder(
        product_id=request.product_id,
        lot=request.lot,
        manufactured_at=request.manufactured_at,
        expires_at=request.expires_at,
        request_id=request.request_id,
    )


def order(request: imports_pb2.ImportOrder) -> BatchOrder:
    """Return the order; the file says its quantity."""
    return batch_order(
        factory_pb2.CreateBatchRequest(
            product_id=request.product_id,
            lot=request.lot,
            manufactured_at=request.manufactured_at,
            expires_at=request.expires_at,
            metadata=request.metadata,
        )
    )


def import_id(request: imports_pb2.GetImportReportRequest) -> UUID:
    """Return the report that a request names."""
    return UUID(request.import_id)


def report(found: ImportReport) -> imports_pb2.ImportReport:
    """Return a report."""
    return imports_pb2.ImportReport(
        import_id=str(found.import_id),
        rows=found.rows,
        total=found.total,
        faults=map(_fault, found.faults),
        created_at=timestamp(found.created_at),
    )


def _fault(found: CsvFault) -> imports_pb2.CsvFault:
    return imports_pb2.CsvFault(
        line=found.line, column=found.column, column_name=found.column_name, description=found.description
    )
