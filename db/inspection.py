"""What `matricula doctor` and the readiness check see of the database; nothing of it is changed."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

import psycopg
from psycopg import errors

from db.heartbeats import Heartbeats
from db.pool import Db, connect
from db.schema import FILES, lay_out
from db.statements import statements
from db.store import Store
from domain.errors import NeedsAttention, StoreUnavailable
from runtime.secrets import CannotUnseal, MasterKeys, WrappedKey

SQL = statements("inspection")

Line: TypeAlias = tuple[str, str, str]  # kind, name, how it is

# What says who may do what; all else is what there is.
RIGHTS = frozenset({"row security", "policy", "grant"})

_TABLE = re.compile(r"^create table (\w+) \((.*?)^\);", re.MULTILINE | re.DOTALL)
_COLUMN = re.compile(r'^    (?!(?:check|unique|primary|foreign|constraint)\b)"?(\w+)"? +\w', re.MULTILINE)


class Unreadable(Exception):
    """The database answers, but not as ours would; the text says how. `about` is which of its lines tells so."""

    def __init__(self, about: Literal["schema", "rights"], text: str) -> None:
        super().__init__(text)
        self.about = about


@dataclass(frozen=True, slots=True)
class Server:
    """The server as it presents itself. `encrypted` is the version of TLS, empty without."""

    version: str
    encrypted: str
    now: datetime
    standby: bool


@dataclass(frozen=True, slots=True)
class Work:
    """For how many seconds one integration's oldest work has been due; None where nothing is."""

    integration: str
    calls_counted: bool
    people_s: float | None
    results_s: float | None


@dataclass(frozen=True, slots=True)
class Key:
    """One company's data key: since when it is wrapped, whether by an older master key, and why it does not open."""

    tenant: str
    wrapped_at: datetime
    older: bool
    trouble: str


@dataclass(frozen=True, slots=True)
class Differences:
    """What the database lacks beside a new one, and what it has that a new one would not."""

    lacking: list[Line]
    besides: list[Line]

    def rights(self, *, wanted: bool) -> "Differences":
        """Those of them that say who may do what, or the others."""
        return Differences(
            [line for line in self.lacking if (line[0] in RIGHTS) is wanted],
            [line for line in self.besides if (line[0] in RIGHTS) is wanted],
        )


@contextmanager
def looking(database_url: str) -> Iterator[Db]:
    """
    A connection to look through, and everything is as before afterwards.

    Raises:
        StoreUnavailable: There is none; `detail` says why in the server's words, which name no password.
        Unreadable: A statement does not fit what is there.
    """
    try:
        with connect(database_url, name="doctor") as db, db.transaction(force_rollback=True):
            yield db
    except (errors.UndefinedTable, errors.UndefinedColumn) as error:
        raise Unreadable("schema", error.diag.message_primary or type(error).__name__) from None
    except errors.InsufficientPrivilege as error:
        raise Unreadable("rights", error.diag.message_primary or type(error).__name__) from None
    except psycopg.OperationalError as error:
        raise StoreUnavailable("store_unavailable", str(error).partition("\n")[0]) from None


class Inspection(Store):
    """Looks at one database."""

    sql = SQL

    def __init__(self, db: Db) -> None:
        super().__init__(db)

    def server(self) -> Server:
        return Server(*self._rows("server")[0])

    def differences(self) -> Differences | None:
        """
        The schema beside the one that this version would make; None when there is none of ours.

        It is made for that, next to ours, and never committed.

        Raises:
            Unreadable: This user may not make one.
        """
        if not self._rows("columns"):
            return None
        found = set(self._rows("objects"))
        try:
            self._db.execute(SQL["begin_beside"])
            lay_out(self._db)
        except (errors.InsufficientPrivilege, NeedsAttention) as error:
            raise Unreadable("rights", f"no schema can be made to compare with: {error}".partition("\n")[0]) from None
        wanted = set(self._rows("objects"))
        return Differences(sorted(wanted - found), sorted(found - wanted))

    def roles_lacking(self) -> list[str]:
        return [name for (name,) in self._rows("roles_lacking")]

    def master_keys_in_use(self) -> list[str]:
        """The names of the master keys that wrap something here, for roles that see one company's."""
        return [name for (name,) in self._rows("master_keys_in_use")]

    def columns_lacking(self) -> list[str]:
        """Columns that db/schema.sql has and the database has not."""
        return sorted(set(columns()) - {name for (name,) in self._rows("columns")})

    def keys(self, keys: MasterKeys) -> list[Key]:
        return [
            Key(
                tenant,
                wrapped_at,
                master_key in keys.names[1:],
                _trouble(keys, WrappedKey(master_key, wrapped), tenant),
            )
            for tenant, master_key, wrapped, wrapped_at in self._rows("data_keys")
        ]

    def heartbeats(self) -> dict[str, float]:
        return Heartbeats(self._db).ages()

    def messages_waiting(self) -> tuple[float | None, float | None]:
        """Seconds that the oldest event and the oldest announcement have waited."""
        events, announcements = self._rows("messages_waiting")[0]
        return events, announcements

    def work_waiting(self) -> list[Work]:
        return [Work(*row) for row in self._rows("work_waiting")]

    def quarantined(self) -> list[tuple[str, str]]:
        """Integrations whose LMS refuses us, and the code why."""
        return [(name, code) for name, code in self._rows("quarantined")]


def _trouble(keys: MasterKeys, stored: WrappedKey, tenant: str) -> str:
    try:
        keys.unwrap(stored, tenant)
    except CannotUnseal as error:
        return str(error)
    return ""


def columns() -> list[str]:
    """Every column that db/schema.sql makes, as table.column."""
    text = FILES[0].read_text(encoding="utf-8")
    return [f"{table}.{column}" for table, body in _TABLE.findall(text) for column in _COLUMN.findall(body)]
