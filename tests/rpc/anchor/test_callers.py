"""Who may do what with anchors."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.common.caller import Role
from tests.rpc.calls import Client, refusal
from tests.rpc.conftest import TokenKeys
from voketag.anchor.v1 import anchor_pb2

NOBODYS = str(UUID(int=0))
SUBMIT = ("SubmitAnchor", anchor_pb2.SubmitAnchorRequest(batch_id=NOBODYS, merkle_root="01" * 32, tree_size=1))
LIST = ("ListAnchors", anchor_pb2.ListAnchorsRequest())
RETRY = ("RetryAnchor", anchor_pb2.RetryAnchorRequest(anchor_id=NOBODYS))
PUBLIC = [
    ("GetAnchor", anchor_pb2.GetAnchorRequest(batch_id=NOBODYS)),
    ("VerifyBatch", anchor_pb2.VerifyBatchRequest(batch_id=NOBODYS)),
    ("VerifyProof", anchor_pb2.VerifyProofRequest(batch_id=NOBODYS, leaf_hash="01" * 32)),
]

closed = pytest.mark.parametrize(
    ("method", "request_"), [SUBMIT, LIST, RETRY], ids=lambda value: value if isinstance(value, str) else ""
)


async def call(client: Client, method: str, request: Any) -> Any:
    return await getattr(client, method)(request)


@closed
async def test_strangers_and_partners_are_not_let_in(
    anchor_as: Callable[..., Client], method: str, request_: Any
) -> None:
    for credential in ("", "vkt_abcdefghijklmnop_" + "A" * 43, "x.y.z"):
        refused = await refusal(call(anchor_as(credential), method, request_))
        assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")


@closed
@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SUPER_ADMIN])
async def test_only_the_highest_role_works_on_anchors(
    anchor_as: Callable[..., Client], token_keys: TokenKeys, role: Role, method: str, request_: Any
) -> None:
    client = anchor_as(token_keys.user(role=role, tenant_id=uuid4()))
    refused = await refusal(call(client, method, request_))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "PERMISSION_DENIED")


@closed
async def test_services_other_than_factory_are_not_let_in(
    anchor_as: Callable[..., Client], token_keys: TokenKeys, method: str, request_: Any
) -> None:
    client = anchor_as(token_keys.service("scan", audience="anchor"))
    assert (await refusal(call(client, method, request_))).code == "PERMISSION_DENIED"


async def test_a_token_for_another_service_is_worth_nothing(
    anchor_as: Callable[..., Client], token_keys: TokenKeys
) -> None:
    client = anchor_as(token_keys.service("factory", audience="scan"))
    assert (await refusal(call(client, *SUBMIT))).code == "UNAUTHENTICATED"


async def test_factory_and_operators_are_let_in(anchor: Client, operator: Client) -> None:
    submitted = await call(anchor, *SUBMIT)
    page = await call(operator, *LIST)
    assert [found.anchor_id for found in page.anchors] == [submitted.anchor_id]


@pytest.mark.parametrize(("method", "request_"), PUBLIC, ids=lambda value: value if isinstance(value, str) else "")
async def test_anybody_may_ask(anybody: Client, method: str, request_: Any) -> None:
    refused = await refusal(call(anybody, method, request_))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "ANCHOR_NOT_FOUND")
