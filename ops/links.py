"""Links by hand: a person says which LMS user somebody is, or is not."""

from collections.abc import Iterator
from contextlib import contextmanager

from db.accounts import WorkStore
from db.configuration import IntegrationRow
from db.links import LinkStore, Locked
from db.pool import Db, Pool
from domain.announcements import account_linked
from domain.integration import IntegrationSettings
from domain.lms import LmsUser
from lms.look_ups import Users, protected_ids
from ops.actions import NotFound, Refused
from ops.lms_access import reading
from ops.operators import Operator, audited, deed
from runtime.settings import Settings

SET = "people:link:set"
UNSET = "people:link:unset"


def set_link(
    pool: Pool, settings: Settings, integration: IntegrationRow, employee_key: str, lms_user_id: str, *, by: Operator
) -> None:
    """
    The person is this LMS user, and is brought in line with what HR says at once.

    Raises:
        NotFound: HR has not told of the person, or the LMS has no such user.
        Refused: The user is protected or somebody else's, the person is linked already, or a worker is busy with them.
        LmsUserTaken: Somebody else was linked to the user meanwhile.
    """
    by.check(SET, integration.tenant, _target(integration, employee_key))
    with reading(settings, integration) as users:
        user = _user(users, integration, lms_user_id)
    with _account(pool, integration, employee_key, by) as (db, store, account):
        if account.lms_user_id is not None:
            raise Refused(
                f"{employee_key} is linked to LMS user {account.lms_user_id}; `matricula link unset` breaks it"
            )
        holder = store.holder(lms_user_id, user.external_key)
        if holder is not None:
            raise Refused(f"LMS user {lms_user_id} belongs to {holder}; break that link first, or clear its id number")
        store.link(account.account_id, lms_user_id, by=by.name, reason=by.reason)
        _announce(db, integration, employee_key, lms_user_id)
        _audited(db, by, SET, integration, employee_key, before=None, after=lms_user_id)


def unset_link(pool: Pool, integration: IntegrationRow, employee_key: str, *, by: Operator) -> str:
    """
    The person is not this LMS user, nor taken for it again. The user is left as it is.

    Returns:
        The id of the LMS user whose link was broken.

    Raises:
        NotFound: HR has not told of the person.
        Refused: There is no link, or a worker is busy with the person.
    """
    by.check(UNSET, integration.tenant, _target(integration, employee_key))
    with _account(pool, integration, employee_key, by) as (db, store, account):
        if account.lms_user_id is None:
            raise Refused(f"{employee_key} is not linked in {integration.name}")
        store.unlink(account, by=by.name, reason=by.reason)
        _audited(db, by, UNSET, integration, employee_key, before=account.lms_user_id, after=None)
        return account.lms_user_id


def _audited(
    db: Db,
    by: Operator,
    action: str,
    integration: IntegrationRow,
    employee_key: str,
    *,
    before: str | None,
    after: str | None,
) -> None:
    target = _target(integration, employee_key)
    audited(db, by, action, target, tenant=integration.tenant, before={"user": before}, after={"user": after})


def _target(integration: IntegrationRow, employee_key: str) -> str:
    return f"link/{integration.name}/{employee_key}"


def _user(users: Users, integration: IntegrationRow, lms_user_id: str) -> LmsUser:
    found = [user for user in users.find_users("user_id", [lms_user_id]) if user.user_id == lms_user_id]
    if not found:
        raise NotFound(f"{integration.name} has no user {lms_user_id}")
    listed = IntegrationSettings.model_validate(integration.settings).people.protected
    if found[0].protected or lms_user_id in protected_ids(users, listed):
        raise Refused(f"LMS user {lms_user_id} is protected and may not be touched")
    return found[0]


@contextmanager
def _account(
    pool: Pool, integration: IntegrationRow, employee_key: str, by: Operator
) -> Iterator[tuple[Db, LinkStore, Locked]]:
    with deed(pool, by) as db:
        store = LinkStore(db, integration.tenant, integration.integration_id, employee_key)
        account = store.lock()
        if account is None:
            raise NotFound(f"HR has not told {integration.name} of anybody with the key {employee_key}")
        if account.busy:
            raise Refused(f"a worker is busy with {employee_key}; try again in a minute")
        yield db, store, account


def _announce(db: Db, integration: IntegrationRow, employee_key: str, lms_user_id: str) -> None:
    store = WorkStore(db, integration.integration_id)
    linked = account_linked(
        tenant=integration.tenant,
        integration=integration.name,
        employee_key=employee_key,
        lms_user_id=lms_user_id,
        how="given",
        previous_id=None,
        at=store.now(),
    )
    store.announce([linked])
