"""A partner's files over REST: a batch from CSV, its faults by line and column, its size, and a recall of all units."""

import time
from uuid import uuid4

import pytest

from tests.e2e.edge import Answer, Rest
from tests.e2e.faults import wait_until
from voketag.factory.v1 import factory_pb2, imports_pb2
from voketag.scan.v1 import scan_pb2

MOST_BYTES = 10 * 1024 * 1024


@pytest.fixture(scope="module")
def product_id(partner: Rest) -> str:
    """A product without a GTIN."""
    made = partner("POST", "/v1/products", {"sku": f"OIL-{uuid4().hex[:8]}", "name": "Olive oil"})
    return made.as_message(factory_pb2.Product).product_id


def send(partner: Rest, product_id: str, file: bytes, more: str = "") -> Answer:
    """Send a file as the body."""
    return partner("POST", f"/v1/batches/csv?product_id={product_id}{more}", file, **{"content-type": "text/csv"})


def verdict(rest: Rest, code: str) -> str:
    """What a scan says."""
    return scan_pb2.Verdict.Name(rest("GET", f"/v1/scan/{code}").as_message(scan_pb2.ScanResponse).verdict)


def file_of(size: int) -> bytes:
    """A file of a length: wide rows, and empty lines at the end, which are no rows."""
    names = [f"c{number}" for number in range(32)]
    cells = "x" * 499
    rows = [",".join(["serial", *names])]
    width = 33 + 32 * 500
    rows += [",".join([uuid4().hex, *[cells] * 32]) for _ in range(size // width - 1)]
    whole = "\n".join(rows).encode()
    return whole + b"\n" * (size - len(whole))


def test_a_file_becomes_a_batch_whose_recall_is_obeyed_by_scans_within_a_second(
    partner: Rest, rest: Rest, product_id: str
) -> None:
    serials = [f"{uuid4().hex[:12]}-{number:04}" for number in range(2000)]
    file = "\r\n".join(["serial,colour", *(f"{serial},red" for serial in serials), ""]).encode()
    again = f"&lot=L-9&request_id={uuid4()}"
    batch = send(partner, product_id, file, again).as_message(factory_pb2.Batch)
    assert (batch.quantity, batch.lot) == (2000, "L-9")
    assert send(partner, product_id, file, again).body["batch_id"] == batch.batch_id, (
        "the same request is no other batch"
    )
    path = f"/v1/batches/{batch.batch_id}"
    wait_until(
        "all units are issued",
        lambda: partner("GET", path).body["state"] in {"BATCH_STATE_ANCHORING", "BATCH_STATE_COMPLETED"},
        seconds=60,
        every=0.2,
    )
    rows = [row.split(",") for row in partner("GET", f"{path}/export").body.splitlines()[1:]]
    assert [(row[2], row[6]) for row in rows] == [(serial, "red") for serial in serials]
    codes = [rows[at][3] for at in (0, 1000, 1999)]
    assert [verdict(rest, code) for code in codes] == ["VERDICT_AUTHENTIC"] * 3

    recall = {
        "range": {"batch_id": batch.batch_id},
        "state": "UNIT_STATE_RECALLED",
        "reason": "UNIT_STATE_REASON_QUALITY",
    }
    job = partner("POST", "/v1/units/state", recall).as_message(factory_pb2.UnitStateJob)
    jobs = f"/v1/units/state/jobs/{job.job_id}"
    done = wait_until("the recall is done", lambda: _done(partner("GET", jobs)), seconds=30, every=0.02)
    assert (done.total, done.changed) == (2000, 2000)
    time.sleep(1)
    assert [verdict(rest, code) for code in codes] == ["VERDICT_RECALLED"] * 3


def test_the_faults_of_a_file_are_named_by_line_and_column(partner: Rest, product_id: str) -> None:
    refused = send(partner, product_id, b"colour;serial\nred;A-1\nblue;\nred;A-1;x\n")
    assert refused.refusal.reason == "INVALID_CSV"
    assert refused.refusal.fields == ("line 3, column 2 (serial)", "line 4")
    [info] = [detail for detail in refused.body["details"] if detail["@type"].endswith("google.rpc.ErrorInfo")]
    report = partner("GET", f"/v1/imports/{info['metadata']['import_id']}").as_message(imports_pb2.ImportReport)
    assert [(fault.line, fault.column, fault.column_name) for fault in report.faults] == [(3, 2, "serial"), (4, 0, "")]
    assert info["metadata"]["total"] == "2"


def test_a_file_has_at_most_ten_mebibytes(partner: Rest, product_id: str) -> None:
    largest = file_of(MOST_BYTES)
    assert len(largest) == MOST_BYTES
    assert send(partner, product_id, largest).status == 200
    refused = send(partner, product_id, largest + b"\n")
    assert (refused.status, refused.refusal.reason) == (413, "FILE_TOO_LARGE")


def _done(answer: Answer) -> factory_pb2.UnitStateJob | None:
    job = answer.as_message(factory_pb2.UnitStateJob)
    return job if job.state == factory_pb2.JOB_STATE_DONE else None
