"""Receivers can verify bodies with the published key."""

from __future__ import annotations

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from parley.store.core import Store
from parley.webhooks.model import DeliveryState
from parley.webhooks.signing import REMEMBERED, Signer
from tests.webhooks.conftest import Hooks
from tests.webhooks.happenings import joined
from tests.webhooks.receiver import Receiver


def verify(public_key_pem: str, signature: str, body: bytes) -> None:
    key = serialization.load_pem_public_key(public_key_pem.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(base64.b64decode(signature, validate=True), body, padding.PKCS1v15(), hashes.SHA256())


async def test_a_delivered_body_verifies_byte_for_byte(
    hooks: Hooks, endpoint: Receiver, signer: Signer
) -> None:
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(joined('Zoë "Ü" 会議 \u2028 \U0001f44b'))
    await hooks.settled(webhook.id, DeliveryState.DELIVERED)
    (request,) = endpoint.received
    verify(signer.public_key_pem, request.headers["rtk-signature"], request.raw)


def test_another_body_does_not_verify(signer: Signer) -> None:
    with pytest.raises(InvalidSignature):
        verify(signer.public_key_pem, signer.sign(b'{"a":1}'), b'{"a": 1}')


def test_the_published_key_is_rsa_2048_in_spki_pem(signer: Signer) -> None:
    assert signer.public_key_pem.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert signer.public_key_pem.endswith("\n-----END PUBLIC KEY-----")
    key = serialization.load_pem_public_key(signer.public_key_pem.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048


def test_signatures_stay_right_when_many_bodies_were_signed(signer: Signer) -> None:
    bodies = [b"%d" % number for number in range(REMEMBERED + 20)]
    first = [signer.sign(body) for body in bodies]
    assert [signer.sign(body) for body in bodies] == first
    verify(signer.public_key_pem, first[0], bodies[0])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_key_is_made_once_and_kept(store: Store) -> None:
    first = await Signer.load(store)
    assert (await Signer.load(store)).public_key_pem == first.public_key_pem


def test_only_rsa_keys_are_taken() -> None:
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(TypeError):
        Signer(other)
