"""
Secrets at rest: each client company's are sealed with its own data key, and that key is wrapped by a master key which
is not in the database (S6).

A sealed value opens only in the row it was sealed for. Another master key re-wraps the data keys and touches no secret.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = b"\x01"


class CannotUnseal(ValueError):
    """The key is not the one this was sealed with, or the sealed value was moved or changed."""


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


@dataclass(frozen=True, slots=True)
class DataKey:
    """One client company's key, in the clear only in memory."""

    _key: bytes = field(repr=False)

    def seal(self, secret: Secret, bound_to: str) -> bytes:
        """
        The sealed form of a secret.

        Args:
            bound_to: Names the row and column, so that a sealed value copied to another row does not open.
        """
        return _encrypt(self._key, secret.reveal().encode(), bound_to)

    def unseal(self, sealed: bytes, bound_to: str) -> Secret:
        """
        Raises:
            CannotUnseal: Another key, another row, or changed bytes.
        """
        return Secret(_decrypt(self._key, sealed, bound_to).decode())


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it is stored, and which master key wrapped it."""

    master_key: str
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """The installation's master keys, the newest first: it wraps, and all of them unwrap. Named by their digests."""

    _keys: Sequence[bytes] = field(repr=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """
        The keys as they stand in MATRICULA_KEY or its file: base64, parted by white space.

        Raises:
            ValueError: There is none, or one is not 32 bytes in base64.
        """
        try:
            keys = [base64.b64decode(word, validate=True) for word in text.split()]
        except binascii.Error:
            keys = [b""]
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError("is not 32 bytes in base64" if text.strip() else "is not set")
        return cls(keys)

    @property
    def names(self) -> list[str]:
        """What the keys are called in the database, the newest first."""
        return [_name(key) for key in self._keys]

    def new_data_key(self, tenant: str) -> WrappedKey:
        """A fresh data key, wrapped by the newest master key."""
        return self._wrap(os.urandom(KEY_BYTES), tenant)

    def unwrap(self, stored: WrappedKey, tenant: str) -> DataKey:
        """
        Raises:
            CannotUnseal: None of these master keys wrapped it, or it is another company's.
        """
        return DataKey(self._unwrapped(stored, tenant))

    def rewrap(self, stored: WrappedKey, tenant: str) -> WrappedKey:
        """The same data key under the newest master key."""
        return self._wrap(self._unwrapped(stored, tenant), tenant)

    def _wrap(self, data_key: bytes, tenant: str) -> WrappedKey:
        newest = self._keys[0]
        return WrappedKey(_name(newest), _encrypt(newest, data_key, f"data key of {tenant}"))

    def _unwrapped(self, stored: WrappedKey, tenant: str) -> bytes:
        key = next((key for key in self._keys if _name(key) == stored.master_key), None)
        if key is None:
            raise CannotUnseal(f"the master key {stored.master_key} is not in MATRICULA_KEY")
        return _decrypt(key, stored.wrapped, f"data key of {tenant}")


def new_key() -> str:
    """A fresh master key as it stands in MATRICULA_KEY."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def _name(key: bytes) -> str:
    return hashlib.sha256(b"matricula master key\0" + key).hexdigest()[:12]


def _encrypt(key: bytes, text: bytes, bound_to: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, text, bound_to.encode())


def _decrypt(key: bytes, sealed: bytes, bound_to: str) -> bytes:
    version, nonce, body = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    if version != _VERSION:
        raise CannotUnseal(f"{bound_to} is not sealed in a way known here")
    try:
        return AESGCM(key).decrypt(nonce, body, bound_to.encode())
    except (InvalidTag, ValueError):
        raise CannotUnseal(f"{bound_to} does not open with this key") from None
