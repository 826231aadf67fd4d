"""Versions of an integration's settings: which there are, what differs between two, and going back to one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from db.configuration import IntegrationRow, KeptSettings, kept_settings
from db.pool import Pool, transaction
from ops import life
from ops.actions import NotFound
from ops.life import Change, Edited
from ops.operators import Operator
from runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Version:
    """One version, and the names of the settings that differ from the one before."""

    version: int
    saved_at: datetime
    changed: Sequence[str]


def versions(pool: Pool, integration: IntegrationRow) -> list[Version]:
    """Every version, the newest first."""
    with transaction(pool) as db:
        kept = kept_settings(db, integration)
    later = [_version(new, old) for new, old in pairwise(kept)]
    return [*later, *(Version(first.version, first.saved_at, []) for first in kept[-1:])]


def _version(new: KeptSettings, old: KeptSettings) -> Version:
    names = [change.setting for change in life.differences(old.settings, new.settings)]
    return Version(new.version, new.saved_at, names)


def diff(pool: Pool, integration: IntegrationRow, old: int, new: int | None = None) -> list[Change]:
    """
    Each setting that differs between two versions, the second being today's without a number.

    Raises:
        NotFound: There is no such version.
    """
    before, after = _kept(pool, integration, old), _kept(pool, integration, new or integration.settings_version)
    return list(life.differences(before.settings, after.settings))


def revert(
    pool: Pool, settings: Settings, integration: IntegrationRow, version: int, *, by: Operator, rekey: bool = False
) -> Edited:
    """
    The integration works by the settings of an earlier version, as a new one; see `life.edit`, which it is.

    Raises:
        NotFound: There is no such version.
    """
    by.check(life.EDIT, integration.tenant, integration.target)
    wanted = life.edited(integration, _kept(pool, integration, version).settings)
    return life.edit(pool, settings, integration, wanted, by=by, rekey=rekey)


def _kept(pool: Pool, integration: IntegrationRow, version: int) -> KeptSettings:
    with transaction(pool) as db:
        found = kept_settings(db, integration, [version])
    if not found:
        raise NotFound(f"{integration.name} has no settings of version {version}; see `matricula integration versions`")
    return found[0]
