"""The installation's master keys: which of them are in use, and changing to the newest."""

from dataclasses import dataclass

from db.pool import Pool, transaction
from db.vault import KeyState, Vault, key_states
from ops.actions import Refused
from ops.operators import Operator, audited, deed
from runtime.crashpoints import crashpoint
from runtime.secrets import CannotUnseal
from runtime.settings import Settings

ROTATE = "keys:key:rotate"


@dataclass(frozen=True, slots=True)
class InUse:
    """A company's key, and whether the master key that wraps it is the newest, an older one, or not at hand."""

    state: KeyState
    wrapped_by: str


def in_use(pool: Pool, settings: Settings) -> list[InUse]:
    """Every company's data key, and how its master key stands."""
    newest, *older = settings.master_keys.names
    standing = dict.fromkeys(older, "an older key") | {newest: "the newest key"}
    with transaction(pool) as db:
        states = key_states(db)
    return [InUse(state, standing.get(state.master_key, "a key that is missing")) for state in states]


def rotate(pool: Pool, settings: Settings, *, by: Operator) -> int:
    """
    Every data key is wrapped by the newest master key; sealed secrets stay as they are. Interrupted, it goes on.

    Returns:
        How many were wrapped by another one.

    Raises:
        Refused: A master key that is in use is not at hand; those before it are done.
    """
    by.check(ROTATE, by.tenant)
    rotated = 0
    with transaction(pool) as db:
        tenants = [state.tenant for state in key_states(db)]
    for tenant in tenants:
        try:
            rotated += _rotated(pool, settings, tenant, by)
        except CannotUnseal as error:
            raise Refused(f"{tenant}: {error}; put it back behind the newest key, and rotate again") from None
        crashpoint("keys.rewrapped_half")
    return rotated


def _rotated(pool: Pool, settings: Settings, tenant: str, by: Operator) -> bool:
    with deed(pool, by) as db:
        done = Vault(db, tenant, settings.master_keys).rewrap()
        if done:
            after = {"master_key": settings.master_keys.names[0]}
            audited(db, by, ROTATE, "key/data", tenant=tenant, after=after)
    return done
