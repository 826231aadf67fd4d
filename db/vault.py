"""The client companies' data keys, wrapped, and the secrets of integrations that are sealed with them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from psycopg.rows import class_row

from db.pool import Db
from db.statements import statements
from db.store import Store
from domain.errors import HoldIntegration
from runtime.secrets import CannotUnseal, DataKey, MasterKeys, Secret, WrappedKey

SQL = statements("vault")

What = Literal["token", "password", "webhook"]


class Sealed(Protocol):
    """An integration as far as its secrets go. Its `data_key` is its company's, wrapped by `master_key`."""

    @property
    def tenant(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def master_key(self) -> str: ...
    @property
    def data_key(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class KeyState:
    """One company's data key: which master key wraps it, and since when."""

    tenant: str
    master_key: str
    made_at: datetime
    wrapped_at: datetime


class Vault(Store):
    """One client company's data key in one transaction."""

    sql = SQL

    def __init__(self, db: Db, tenant: str, keys: MasterKeys) -> None:
        super().__init__(db, tenant=tenant)
        self._tenant = tenant
        self._keys = keys

    def seal(self, name: str, what: What, secret: Secret) -> bytes:
        """
        An integration's secret as it is stored.

        Raises:
            HoldIntegration: The company's data key cannot be opened (key_mismatch); nothing is written over it.
        """
        return self._data_key().seal(secret, _bound_to(self._tenant, name, what))

    def rewrap(self) -> bool:
        """
        The data key is wrapped by the newest master key; False when it was so already.

        Raises:
            CannotUnseal: None of the master keys at hand opens it.
        """
        stored = WrappedKey(*self._rows("lock_key")[0])
        if stored.master_key == self._keys.names[0]:
            return False
        new = self._keys.rewrap(stored, self._tenant)
        self._rows("replace_key", master_key=new.master_key, wrapped=new.wrapped)
        return True

    def _data_key(self) -> DataKey:
        fresh = self._keys.new_data_key(self._tenant)
        self._rows("add_key", master_key=fresh.master_key, wrapped=fresh.wrapped)
        try:
            return self._keys.unwrap(WrappedKey(*self._rows("lock_key")[0]), self._tenant)
        except CannotUnseal as error:
            raise HoldIntegration("key_mismatch", str(error)) from None


def unsealed(integration: Sealed, what: What, sealed: bytes, keys: MasterKeys) -> Secret:
    """
    An integration's secret in the clear.

    Raises:
        HoldIntegration: It was sealed with another key, or is not this integration's (key_mismatch).
    """
    try:
        data_key = keys.unwrap(WrappedKey(integration.master_key, integration.data_key), integration.tenant)
        return data_key.unseal(sealed, _bound_to(integration.tenant, integration.name, what))
    except CannotUnseal:
        raise HoldIntegration("key_mismatch", f"the {what} was sealed with another MATRICULA_KEY") from None


def key_states(db: Db) -> list[KeyState]:
    """Every company's data key."""
    with db.cursor(row_factory=class_row(KeyState)) as cursor:
        return cursor.execute(SQL["key_states"]).fetchall()


def unknown_keys(db: Db, known: Iterable[str]) -> list[str]:
    """The master keys that wrap something here and are not among these."""
    return sorted({state.master_key for state in key_states(db)} - set(known))


def _bound_to(tenant: str, name: str, what: What) -> str:
    return f"{what} of {tenant}/{name}"
