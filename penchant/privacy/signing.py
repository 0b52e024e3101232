"""Signed receipts: Ed25519 (RFC 8032) under a key derived from the home's key."""

import hashlib
import hmac
import json
from typing import TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from penchant.artifacts.receipt import SignedReceipt

Receipt = TypeVar("Receipt", bound=SignedReceipt)
PURPOSE = b"penchant receipt signing key"


def public_key(key: bytes) -> str:
    return _private(key).public_key().public_bytes_raw().hex()


def sign(receipt: Receipt, key: bytes) -> Receipt:
    signature = _private(key).sign(_content(receipt))
    return receipt.model_copy(update={"signature": signature.hex()})


def is_authentic(receipt: SignedReceipt, key: bytes) -> bool:
    """Whether the home with this key signed the receipt, and nothing changed since."""
    if receipt.public_key != public_key(key):
        return False
    verifier = Ed25519PublicKey.from_public_bytes(bytes.fromhex(receipt.public_key))
    try:
        verifier.verify(bytes.fromhex(receipt.signature), _content(receipt))
    except (InvalidSignature, ValueError):
        return False
    return True


def _private(key: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hmac.new(key, PURPOSE, hashlib.sha256).digest())


def _content(receipt: SignedReceipt) -> bytes:
    return json.dumps(receipt.as_dict() | {"signature": ""}, sort_keys=True).encode()
