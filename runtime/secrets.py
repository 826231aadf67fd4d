"""Secrets at rest: sealed with a key that is not in the database, bound to the row they belong to (S6)."""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class CannotUnseal(ValueError):
    """The key is not the one this secret was sealed with, or the secret was moved or changed."""


class Secret:
    """A text that never shows: not in repr, not in a format, not in a traceback's locals."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__


def seal(secret: Secret, *, key: bytes, bound_to: str) -> bytes:
    """
    The sealed form of a secret, which opens only with the same key and the same `bound_to`.

    Args:
        key: 32 bytes.
        bound_to: Names the row and column, so that a sealed value copied to another row does not open.
    """
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, secret.reveal().encode(), bound_to.encode())


def unseal(sealed: bytes, *, key: bytes, bound_to: str) -> Secret:
    """
    Raises:
        CannotUnseal: Another key, another row, or changed bytes.
    """
    nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return Secret(AESGCM(key).decrypt(nonce, body, bound_to.encode()).decode())
    except InvalidTag:
        raise CannotUnseal(f"{bound_to} does not open with this MATRICULA_KEY") from None


def new_key() -> str:
    """A fresh master key as it stands in MATRICULA_KEY."""
    return base64.b64encode(os.urandom(32)).decode()
