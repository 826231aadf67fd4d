"""What a site refuses while everything else goes on: a right or a function that one operation lacks (E3)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog

from db.accounts import Integration, Problem, WorkStore
from domain.errors import HoldIntegration, ProvisioningError
from domain.lms import Done, Failed, LmsGateway, Outcome
from domain.recovery import NOT_THIS_CALL, Operation

log = structlog.get_logger()

REFUSED_WAIT = timedelta(minutes=15)


def concerns_this_call(failure: ProvisioningError, gateway: LmsGateway) -> bool:
    """Whether the site refused a call of this kind and would have us otherwise; asks with the cheapest call."""
    if not isinstance(failure, HoldIntegration) or failure.code not in NOT_THIS_CALL:
        return False
    try:
        gateway.site()
    except ProvisioningError:
        return False
    return True


class Refusals:
    """
    The operations that the site refuses, as one batch meets them.

    Args:
        held: Those that it refused before; True where they are not to be tried yet.
    """

    def __init__(self, gateway: LmsGateway, held: Mapping[Operation, bool]) -> None:
        self._gateway = gateway
        self._held = held
        self._new: dict[Operation, ProvisioningError] = {}
        self._over: list[Operation] = []

    def __contains__(self, operation: Operation) -> bool:
        """Whether calls of this kind are left alone."""
        return operation in self._new or self._held.get(operation, False)

    def notice(self, operation: Operation, outcomes: Sequence[Outcome[Any]]) -> None:
        """Learn from what came of a call whether the operation alone is refused, or is not any more."""
        refused = next((o.failure for o in outcomes if isinstance(o, Failed) and _may_be_refusal(o.failure)), None)
        if refused is not None:
            self.add(operation, refused)
        elif operation in self._held and any(isinstance(outcome, Done) for outcome in outcomes):
            self._over.append(operation)

    def add(self, operation: Operation, failure: ProvisioningError) -> bool:
        """Whether the failure concerns this operation alone; then it is left alone from now on."""
        if operation not in self._new and concerns_this_call(failure, self._gateway):
            self._new[operation] = failure
        return operation in self._new

    def record(self, store: WorkStore, integration: Integration) -> None:
        """One notice per operation, which ends with the refusal."""
        for operation, failure in self._new.items():
            store.hold_operation(operation, failure.code, REFUSED_WAIT)
            problem = Problem("integration", _subject(integration, operation), failure.code, failure.detail)
            store.open_failures(integration.tenant, [problem])
            log.error("operation held", integration_id=integration.integration_id, operation=operation)
        release(store, integration, self._over)


def release(store: WorkStore, integration: Integration, operations: Sequence[Operation]) -> None:
    """The site takes these calls again; what waited for them is due."""
    store.end_operation_holds(operations)
    store.resolve_failures("integration", [_subject(integration, operation) for operation in operations])


def _subject(integration: Integration, operation: Operation) -> str:
    return f"{integration.integration_id}/{operation}"


def _may_be_refusal(failure: ProvisioningError) -> bool:
    return isinstance(failure, HoldIntegration) and failure.code in NOT_THIS_CALL
