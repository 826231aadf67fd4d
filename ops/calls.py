"""What is left of the calls of each LMS that counts them, and when the work that waits for them will be done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from db.budget import BudgetStore
from db.configuration import IntegrationRow
from db.pool import Db, Pool, transaction
from domain.budget import PURPOSES, Purpose, forecast
from domain.integration import IntegrationSettings


@dataclass(frozen=True, slots=True)
class Queue:
    """Accounts that wait for calls of one purpose; without a time when nobody can say when they are done."""

    purpose: Purpose
    accounts: int
    done_in: timedelta | None
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """The calls of one integration. `left` are those of the hour that ends at `resets_at`."""

    integration: str
    tenant: str
    limit: int
    left: int
    resets_at: datetime
    queues: Sequence[Queue]


def outlooks(pool: Pool, integrations: Sequence[IntegrationRow]) -> list[Outlook]:
    """One for each of these integrations that is at work with an LMS which counts calls and has told of them."""
    with transaction(pool) as db:
        found = [_outlook(db, row) for row in integrations if row.state == "active"]
    return [outlook for outlook in found if outlook is not None]


def _outlook(db: Db, row: IntegrationRow) -> Outlook | None:
    store = BudgetStore(db, row.integration_id)
    known = store.standing(IntegrationSettings.model_validate(row.settings).calls)
    if known is None:
        return None
    standing, now, backlog = known.renewed(), store.now(), store.backlog()
    queues = [
        Queue(purpose, accounts, done_in, None if done_in is None else now + done_in)
        for purpose, accounts, done_in in zip(PURPOSES, backlog, forecast(standing, backlog), strict=False)
        if accounts
    ]
    return Outlook(row.name, row.tenant, standing.limit, standing.left, now + standing.resets_in, queues)
