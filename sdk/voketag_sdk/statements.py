"""Statements about batches, checked offline: how many units were ordered, issued and voided, under which root.

A statement is a JWS (RFC 7515, compact) signed with Ed25519 (RFC 8037); the platform publishes its keys as a JWK set
(RFC 7517) at `/v1/statement-keys`. Keep the set from a time when you trusted it: whoever forges a statement can serve
keys of his own. Ed25519 comes from the package `cryptography` (`pip install voketag[ledger]`).
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from voketag_kernel.codes import raw_of
from voketag_kernel.receipts import facts_hash, unit_leaf_data
from voketag_kernel.rfc6962 import leaf_hash, verify_inclusion
from voketag_sdk.errors import MalformedStatement, StatementMismatch, StatementNotSigned
from voketag_sdk.models import UnitProof

TYPE: Final = "voketag-batch-statement+jwt"
_PUBLIC_KEY_LENGTH: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedStatement:
    """What a statement says, by a key that is trusted. `merkle_root` is hex, empty while not all units are issued."""

    batch_id: str
    product_id: str
    lot: str
    state: str
    sandbox: bool
    ordered: int
    issued: int
    voided: int
    merkle_root: str
    tree_size: int
    stated_at: datetime
    key_id: str


def verify_statement(
    jws: str,
    jwks: str | bytes | Mapping[str, Any],
    *,
    batch_id: str | None = None,
    merkle_root: str | None = None,
) -> VerifiedStatement:
    """Check a statement and return what it says; any failure is a StatementError, never a result.

    `jwks` are the keys that you trust. `batch_id` and `merkle_root` (hex, as a receipt's `batch_root`) are what you
    hold the statement against: StatementMismatch when it is about another batch or tree.
    """
    header, claims, signed, signature = _parts(jws)
    if header.get("alg") != "EdDSA" or header.get("typ") != TYPE:
        raise MalformedStatement(f"this is no statement about a batch: its typ is not {TYPE}, or its alg not EdDSA")
    key_id = str(header.get("kid", ""))
    if not _holds(_public_key(jwks, key_id), signed, signature):
        raise StatementNotSigned("the signature does not hold: the statement was changed, or signed by someone else")
    try:
        said = VerifiedStatement(
            **{name: kind(claims[name]) for name, kind in _CLAIMS.items()},
            stated_at=datetime.fromtimestamp(claims["iat"], UTC),
            key_id=key_id,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise MalformedStatement(f"the statement lacks something: {error!r}") from error
    if batch_id is not None and said.batch_id != batch_id.lower():
        raise StatementMismatch(f"the statement is about batch {said.batch_id}, not {batch_id}")
    if merkle_root is not None and said.merkle_root != merkle_root.lower():
        raise StatementMismatch("the statement is about another root; root and size belong together")
    return said


def verify_unit_proof(proof: UnitProof, said: VerifiedStatement) -> None:
    """Check that a unit is under the root of a statement that was verified: StatementMismatch when it is not.

    Of a CANCELLED batch this shows that the unit's code is one of those that are void.
    """
    try:
        leaf = unit_leaf_data(
            salt=proof.salt,
            raw_code=raw_of(proof.code),
            facts_hash=facts_hash(proof.batch_facts),
            serial=proof.serial,
        )
        verify_inclusion(
            leaf_hash(leaf),
            index=proof.leaf_index,
            size=said.tree_size,
            path=proof.inclusion_path,
            expected_root=bytes.fromhex(said.merkle_root),
        )
    except ValueError as error:
        raise StatementMismatch(f"the unit is not under the statement's root: {error}") from error


_CLAIMS: Final[Mapping[str, type]] = {
    name: VerifiedStatement.__annotations__[name]
    for name in VerifiedStatement.__annotations__
    if name not in {"stated_at", "key_id"}
}


def _parts(jws: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    try:
        encoded_header, encoded_claims, encoded_signature = jws.strip().split(".")
        header, claims = (json.loads(_base64url(part)) for part in (encoded_header, encoded_claims))
        if not isinstance(header, dict) or not isinstance(claims, dict):
            raise TypeError("header and claims are objects")
        return header, claims, f"{encoded_header}.{encoded_claims}".encode(), _base64url(encoded_signature)
    except (ValueError, TypeError, RecursionError) as error:
        raise MalformedStatement(f"not a JWS in compact form: {error}") from error


def _public_key(jwks: str | bytes | Mapping[str, Any], key_id: str) -> bytes:
    try:
        keys = (jwks if isinstance(jwks, Mapping) else json.loads(jwks))["keys"]
        [key] = [key for key in keys if key["kid"] == key_id]
        raw = _base64url(key["x"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StatementNotSigned(f"the trusted keys have none of the name {key_id!r}") from error
    if key.get("kty") != "OKP" or key.get("crv") != "Ed25519" or len(raw) != _PUBLIC_KEY_LENGTH:
        raise StatementNotSigned(f"the trusted key {key_id!r} is no Ed25519 key")
    return raw


def _holds(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - an extra, not a requirement
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    except ImportError as error:
        raise RuntimeError("checking signatures needs Ed25519: pip install voketag[ledger]") from error
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _base64url(text: str) -> bytes:
    if any(sign in text for sign in "+/="):
        raise ValueError("base64url has neither +, / nor =")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
