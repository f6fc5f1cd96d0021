"""Statements about batches, as a brand checks them offline."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from voketag_kernel.codes import UnitCodeKey
from voketag_kernel.receipts import facts_hash, unit_leaf_data
from voketag_kernel.rfc6962 import leaf_hash, node_hash
from voketag_sdk import UnitProof, errors
from voketag_sdk.statements import TYPE, verify_statement, verify_unit_proof

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
CLAIMS = {
    "iss": "voketag",
    "iat": 1_772_000_000,
    "batch_id": "0197a1b2-0000-7000-8000-000000000001",
    "product_id": "0197a1b2-0000-7000-8000-000000000002",
    "lot": "L-7",
    "state": "COMPLETED",
    "sandbox": False,
    "ordered": 1000,
    "issued": 1000,
    "voided": 3,
    "merkle_root": "ab" * 32,
    "tree_size": 1000,
}


def jwks(key: Ed25519PrivateKey = KEY, kid: str = "statement-1") -> str:
    x = base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).decode().rstrip("=")
    return json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x}]})


def signed(**changed: object) -> str:
    headers = {"kid": "statement-1", "typ": TYPE}
    return jwt.encode(CLAIMS | changed, KEY, algorithm="EdDSA", headers=headers)


def test_a_statement_says_how_many_and_when() -> None:
    said = verify_statement(signed(), jwks(), batch_id=str(CLAIMS["batch_id"]).upper(), merkle_root="AB" * 32)
    assert (said.ordered, said.issued, said.voided, said.tree_size) == (1000, 1000, 3, 1000)
    assert said.stated_at == datetime(2026, 2, 25, 6, 13, 20, tzinfo=UTC)
    assert (said.state, said.lot, said.sandbox, said.key_id) == ("COMPLETED", "L-7", False, "statement-1")
    assert verify_statement(signed(), json.loads(jwks())) == said


def test_a_changed_number_is_noticed() -> None:
    header, claims, signature = signed().split(".")
    forged = json.loads(base64.urlsafe_b64decode(claims + "=="))
    forged["issued"] = 999
    changed = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip("=")
    with pytest.raises(errors.StatementNotSigned):
        verify_statement(f"{header}.{changed}.{signature}", jwks())


def test_another_key_of_the_same_name_is_not_believed() -> None:
    with pytest.raises(errors.StatementNotSigned):
        verify_statement(signed(), jwks(Ed25519PrivateKey.generate()))


def test_a_key_that_is_not_trusted_is_not_believed() -> None:
    with pytest.raises(errors.StatementNotSigned, match="statement-1"):
        verify_statement(signed(), jwks(kid="statement-2"))


def test_no_other_algorithm_and_no_other_kind_of_token_passes() -> None:
    secret = json.loads(jwks())["keys"][0]["x"]  # the public key as an HMAC secret, an old trick
    confused = jwt.encode(CLAIMS, secret, algorithm="HS256", headers={"kid": "statement-1", "typ": TYPE})
    unsigned = jwt.encode(CLAIMS, None, algorithm="none", headers={"kid": "statement-1", "typ": TYPE})
    verdict = jwt.encode(CLAIMS, KEY, algorithm="EdDSA", headers={"kid": "statement-1", "typ": "voketag-verdict+jwt"})
    for other in (confused, unsigned, verdict):
        with pytest.raises(errors.MalformedStatement):
            verify_statement(other, jwks())


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "e30.e30.", "bnVsbA.e30.AA", "e30.e30.=", f"{'[' * 9}.e30.AA"])
def test_what_is_no_statement_is_said_to_be_none(text: str) -> None:
    with pytest.raises(errors.StatementError):
        verify_statement(text, jwks())


def test_a_statement_about_another_batch_or_tree_is_refused() -> None:
    with pytest.raises(errors.StatementMismatch, match="about batch"):
        verify_statement(signed(), jwks(), batch_id="0197a1b2-0000-7000-8000-000000000009")
    with pytest.raises(errors.StatementMismatch, match="root"):
        verify_statement(signed(), jwks(), merkle_root="cd" * 32)


def test_a_signed_statement_that_lacks_a_number_is_malformed() -> None:
    with pytest.raises(errors.MalformedStatement):
        verify_statement(signed(issued="many"), jwks())


def proof_beside_another_leaf() -> UnitProof:
    """The first of two units; the root is the hash of both leaves."""
    minted = UnitCodeKey(1, bytes(range(32))).mint(0)
    facts = '{"quantity":5}'
    leaf = leaf_hash(unit_leaf_data(salt=minted.salt, raw_code=minted.raw, facts_hash=facts_hash(facts), serial="S-1"))
    return UnitProof(
        batch_id=str(CLAIMS["batch_id"]),
        code=minted.code,
        serial="S-1",
        batch_facts=facts,
        salt=minted.salt,
        leaf_index=0,
        tree_size=2,
        batch_root=node_hash(leaf, b"\x01" * 32),
        inclusion_path=(b"\x01" * 32,),
    )


def test_a_unit_is_under_the_root_of_its_batch_s_statement() -> None:
    proof = proof_beside_another_leaf()
    root = proof.batch_root.hex()
    said = verify_statement(signed(state="CANCELLED", issued=2, voided=2, merkle_root=root, tree_size=2), jwks())
    verify_unit_proof(proof, said)
    without_root = verify_statement(signed(merkle_root="", tree_size=0), jwks())
    for changed, statement in (
        (replace(proof, serial="S-2"), said),
        (replace(proof, code="A" * 20), said),
        (replace(proof, code="no code"), said),
        (replace(proof, leaf_index=1), said),
        (replace(proof, inclusion_path=()), said),
        (proof, replace(said, tree_size=3)),
        (proof, without_root),
    ):
        with pytest.raises(errors.StatementMismatch):
            verify_unit_proof(changed, statement)
