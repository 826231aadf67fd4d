"""Selecting payrolls by hand: the same facts that HR's own setup screen sends."""

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from db import configuration
from db.configuration import IntegrationRow
from db.pool import Pool, transaction
from domain.integration import IntegrationSettings
from ops.actions import Refused
from ops.life import Payroll
from ops.operators import Operator, audited
from producers.publisher import Outcome, OutgoingEvent, Publisher
from runtime.settings import Settings
from runtime.topology import EVENTS

SELECT = "integrations:payroll:select"
SOURCE = "/matricula/command-line"


@dataclass(frozen=True, slots=True)
class Ticked:
    """The payrolls that the broker has the word on, and those for which it did not confirm it, with why."""

    payrolls: list[str]
    unconfirmed: list[str]
    problem: str = ""


def tick(
    pool: Pool,
    settings: Settings,
    integration: IntegrationRow,
    payrolls: Iterable[Payroll],
    *,
    select: bool,
    by: Operator,
) -> Ticked:
    """
    Each of these payrolls that is not so already is said to be selected, or not to be, for this integration (R19).

    It is an event like HR's, so the newest word counts and workers act on it. People without a payroll have none to
    select.

    Raises:
        Refused: The integration takes all payrolls.
    """
    by.check(SELECT, integration.tenant, integration.target)
    if IntegrationSettings.model_validate(integration.settings).payrolls == "all":
        raise Refused(f"{integration.name} takes all payrolls; set `payrolls` to selected first")
    with transaction(pool) as db:
        known = configuration.own_payroll_data(db, integration)
    names = {p.payroll: p.name for p in payrolls if p.payroll is not None and p.in_scope != select}
    at = datetime.now(UTC)
    said = {
        payroll: _event(integration, payroll, {"name": name or None} | known.get(payroll, {}), at, select=select)
        for payroll, name in names.items()
    }
    if by.dry_run:
        return Ticked([*said], [])
    with Publisher(settings.amqp_url) as publisher:
        receipts = list(publisher.publish_all(said.values()))
        problem = publisher.problem
    there = {receipt.message_id for receipt in receipts if receipt.outcome is Outcome.CONFIRMED}
    confirmed = [payroll for payroll, event in said.items() if event.message_id in there]
    with transaction(pool) as db:
        after = {"payrolls": confirmed, "selected": select}
        audited(db, by, SELECT, integration.target, tenant=integration.tenant, after=after, outcome=problem or "done")
    return Ticked(confirmed, [payroll for payroll in said if payroll not in confirmed], problem)


def _event(
    integration: IntegrationRow, payroll: str, data: dict[str, Any], at: datetime, *, select: bool
) -> OutgoingEvent:
    event_type = f"hr.payroll.{'enabled' if select else 'disabled'}.v1"
    event_id = str(uuid.uuid4())
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": event_type,
        "subject": payroll,
        "time": at.isoformat(),
        "tenant": integration.tenant,
        "data": {**data, "payroll": payroll, "integration": integration.name},
    }
    return OutgoingEvent(EVENTS, event_type, event_id, json.dumps(event, ensure_ascii=False).encode())
