"""Tokens name their caller, and only while they hold, for whom they were made, signed by who may."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common.caller import CallerKind, Role
from services.common.clock import SystemClock
from services.common.errors import Unauthenticated
from services.common.tokens import TokenSigner, TokenVerifier

HOUR = timedelta(hours=1)


class MovedClock:
    def __init__(self, offset: timedelta) -> None:
        self._offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    (tmp_path / "public").mkdir()
    for kid in ("user-1", "service-factory-1"):
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (tmp_path / f"{kid}.pem").write_bytes(private)
        (tmp_path / "public" / f"{kid}.pem").write_bytes(public)
    return tmp_path


def signer(keys: Path, kid: str, offset: timedelta = timedelta()) -> TokenSigner:
    return TokenSigner(key_file=keys / f"{kid}.pem", clock=MovedClock(offset))


def test_an_access_token_names_the_person_the_tenant_and_the_role(keys: Path) -> None:
    user, tenant = uuid4(), uuid4()
    token = signer(keys, "user-1").access_token(user_id=user, tenant_id=tenant, role=Role.VIEWER, lifetime=HOUR)
    caller = TokenVerifier(public_keys=keys / "public", service="factory").verify(token)
    assert (caller.kind, caller.subject, caller.tenant_id) == (CallerKind.USER, str(user), tenant)
    assert caller.scopes == {"products:read", "batches:read", "scans:read"}


def test_a_service_token_names_the_service_to_its_audience_alone(keys: Path) -> None:
    token = signer(keys, "service-factory-1").service_token(audience="anchor")
    caller = TokenVerifier(public_keys=keys / "public", service="anchor").verify(token)
    assert (caller.kind, caller.subject) == (CallerKind.SERVICE, "factory")
    with pytest.raises(Unauthenticated):
        TokenVerifier(public_keys=keys / "public", service="scan").verify(token)


def test_a_service_s_key_signs_no_access_tokens(keys: Path) -> None:
    token = signer(keys, "service-factory-1").access_token(
        user_id=uuid4(), tenant_id=None, role=Role.SUPER_ADMIN, lifetime=HOUR
    )
    with pytest.raises(Unauthenticated):
        TokenVerifier(public_keys=keys / "public", service="voketag").verify(token)


def test_an_expired_token_is_refused(keys: Path) -> None:
    old = signer(keys, "user-1", -2 * HOUR)
    token = old.access_token(user_id=uuid4(), tenant_id=None, role=Role.VIEWER, lifetime=HOUR)
    with pytest.raises(Unauthenticated):
        TokenVerifier(public_keys=keys / "public", service="factory").verify(token)


def test_a_token_of_a_key_that_is_not_known_is_refused(keys: Path) -> None:
    token = signer(keys, "user-1").access_token(user_id=uuid4(), tenant_id=None, role=Role.VIEWER, lifetime=HOUR)
    (keys / "public" / "user-1.pem").unlink()
    with pytest.raises(Unauthenticated, match="key"):
        TokenVerifier(public_keys=keys / "public", service="factory").verify(token)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "vkt_abc"])
def test_a_text_that_is_no_token_is_refused(keys: Path, token: str) -> None:
    with pytest.raises(Unauthenticated):
        TokenVerifier(public_keys=keys / "public", service="factory").verify(token)


def test_a_folder_without_keys_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="public key"):
        TokenVerifier(public_keys=tmp_path, service="factory")


def test_the_system_clock_is_aware_and_in_utc() -> None:
    assert SystemClock().now().utcoffset() == timedelta()


def test_a_service_token_that_was_believed_is_believed_until_it_expires_and_no_longer(keys: Path) -> None:
    verifier = TokenVerifier(public_keys=keys / "public", service="anchor")
    nearly_over = timedelta(minutes=5, seconds=30) - timedelta(seconds=2)  # five minutes of life, and the leeway
    token = signer(keys, "service-factory-1", -nearly_over).service_token(audience="anchor")
    assert verifier.verify(token) == verifier.verify(token)
    time.sleep(2.5)
    with pytest.raises(Unauthenticated):
        verifier.verify(token)


def test_a_token_that_is_like_a_believed_one_is_not_believed(keys: Path) -> None:
    verifier = TokenVerifier(public_keys=keys / "public", service="anchor")
    token = signer(keys, "service-factory-1").service_token(audience="anchor")
    verifier.verify(token)
    for other in (
        token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB"),
        token + "A",
        token.rpartition(".")[0] + ".",
    ):
        with pytest.raises(Unauthenticated):
            verifier.verify(other)


def test_believed_tokens_take_bounded_memory(keys: Path) -> None:
    verifier = TokenVerifier(public_keys=keys / "public", service="anchor")
    factory = signer(keys, "service-factory-1")
    for _ in range(1_100):
        verifier.verify(factory.service_token(audience="anchor"))
    assert len(verifier._believed) == 1_000
