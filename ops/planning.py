"""
What the workers would do, shown without doing it.

Facts and wanted state come from the record itself, in a transaction that is rolled back; matching, user names and
enrolments from the rules and look-ups that the workers use. The LMS is only read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from db.accounts import ClaimedPlacement
from db.configuration import IntegrationRow
from db.pool import Pool, rehearsal, transaction
from db.rehearsals import Rehearsal, Rehearsed, people_of_payroll, rehearse, tell
from domain.accounts import (
    REMOVED,
    Create,
    Leave,
    Link,
    Park,
    WantedAccount,
    is_looked_for,
    observed,
    plan_linked,
    plan_newcomer,
)
from domain.addresses import is_pseudo
from domain.enrolments import hindrance, merged
from domain.errors import StoreUnavailable
from domain.events import Event
from domain.guard import judge
from domain.lms import LmsUser, NewUser, UserChange, UserFields
from domain.planning import PersonPlan, create_call, enrol_calls, update_call
from domain.usernames import candidates
from lms.look_ups import Users, candidates_of, free_usernames, protected_ids
from ops.actions import NotFound, Refused
from ops.lms_access import reading
from ops.operators import Operator, audited
from runtime.settings import Settings

PREVIEW = "people:plan:preview"

LOCK_NOT_AVAILABLE = "55P03"
NOBODY_YET = "(new user)"
"""Stands for the id of a user who would be made."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Whom to plan for: the people that events concern, a payroll, or one person."""

    events: Sequence[Event] = ()
    payroll: str | None = None
    person: str | None = None

    @property
    def target(self) -> str:
        """How it stands in the audit."""
        if self.person:
            return f"person/{self.person}"
        return f"payroll/{self.payroll}" if self.payroll else "events/feed"


@dataclass(slots=True)
class Plan:
    """What would be done; `endings` says what would become of the events given."""

    endings: dict[str, int] = field(default_factory=dict)
    people: list[PersonPlan] = field(default_factory=list)


def previewed(
    pool: Pool,
    settings: Settings,
    tenant: str,
    integrations: Sequence[IntegrationRow],
    chosen: Selection,
    *,
    by: Operator,
) -> Plan:
    """As `plan`, which shows names and addresses, and that they were looked at is on record (S19)."""
    by.check(PREVIEW, tenant, chosen.target)
    done = plan(pool, settings, tenant, integrations, chosen)
    with transaction(pool) as db:
        audited(db, by, PREVIEW, chosen.target, tenant=tenant, after={"people": len(done.people)})
    return done


def plan(
    pool: Pool, settings: Settings, tenant: str, integrations: Sequence[IntegrationRow], chosen: Selection
) -> Plan:
    """
    Raises:
        NotFound: The selection concerns nobody.
        Refused: Events are being applied right now.
        ProvisioningError: An LMS does not let itself be read.
    """
    done = Plan()
    ids = [row.integration_id for row in integrations]
    try:
        with rehearsal(pool) as db:
            if chosen.events:
                told = tell(db, tenant, chosen.events)
                done.endings, keys = dict(told.endings), told.people
            elif chosen.person:
                keys = [chosen.person]
            else:
                keys = people_of_payroll(db, tenant, chosen.payroll or "")
            found = rehearse(db, tenant, keys, ids)
    except StoreUnavailable as error:
        if error.detail != LOCK_NOT_AVAILABLE:
            raise
        raise Refused("events of this client are being applied right now; try again in a moment") from None
    if not any(one.accounts for one in found):
        raise NotFound("the selection concerns nobody that HR has told us of")
    rows = {row.integration_id: row for row in integrations}
    for one in found:
        with reading(settings, rows[one.integration.integration_id]) as users:
            done.people += Planner(one, users).plans()
    return done


class Planner:
    """One integration's people, planned together as a worker plans a batch."""

    def __init__(self, found: Rehearsal, users: Users) -> None:
        self._found = found
        self._users = users
        self._people = found.integration.settings.people
        self._plans: dict[int, PersonPlan] = {}
        self._held: dict[int, UserFields] = {}
        self._changes: dict[int, UserFields] = {}
        self._user_ids: dict[int, str] = {}
        self._new: list[Rehearsed] = []

    def plans(self) -> list[PersonPlan]:
        open_ones = [self._effective(one) for one in self._found.accounts if self._is_open(one)]
        protected = protected_ids(self._users, self._people.protected) if open_ones else frozenset()
        self._plan_linked([one for one in open_ones if one.account.lms_user_id], protected)
        self._plan_newcomers(
            [one for one in open_ones if not one.account.lms_user_id and self._is_looked_for(one)], protected
        )
        for one in open_ones:
            self._plans.setdefault(one.account.account_id, self._plan_of(one, "nothing"))
        self._stage()
        self._name_newcomers()
        for one in open_ones:
            self._add_calls(one)
        return [self._plans[one.account.account_id] for one in self._found.accounts]

    def _is_looked_for(self, one: Rehearsed) -> bool:
        due = any(placement.due for placement in one.placements)
        return is_looked_for(_wanted(one), self._people, enrolment_due=due)

    def _is_open(self, one: Rehearsed) -> bool:
        """Others have their reason already."""
        if one.account.wanted is not None and one.state in ("due", "settled", "out_of_scope", "staged"):
            return True
        outcome = one.state if one.state in ("parked", "waiting", "out_of_scope") else "nothing"
        plan = self._plan_of(one, "nothing")
        plan.outcome, plan.code = outcome, one.code  # type: ignore[assignment]
        self._plans[one.account.account_id] = plan
        return False

    def _effective(self, one: Rehearsed) -> Rehearsed:
        if not one.kept_active:
            return one
        wanted = _wanted(one).model_copy(update={"suspended": False})
        return replace(one, account=replace(one.account, wanted=wanted))

    def _plan_of(self, one: Rehearsed, outcome: str, code: str | None = None, detail: str = "") -> PersonPlan:
        name = self._found.integration.name
        return PersonPlan(name, one.account.employee_key, outcome, code, detail)  # type: ignore[arg-type]

    def _set(self, one: Rehearsed, outcome: str, code: str | None = None, detail: str = "") -> None:
        self._plans[one.account.account_id] = self._plan_of(one, outcome, code, detail)

    # Who they are

    def _plan_linked(self, linked: Sequence[Rehearsed], protected: frozenset[str]) -> None:
        unread = [one.account.lms_user_id or "" for one in linked if not one.account.applied]
        read = {user.user_id: user for user in self._users.find_users("user_id", unread)} if unread else {}
        for one in linked:
            user_id = one.account.lms_user_id or ""
            held = one.account.applied or self._observed(read.get(user_id))
            if user_id in protected:
                self._set(one, "parked", "protected_account", f"LMS user {user_id} may not be touched")
            elif user_id in read and read[user_id].removed:
                self._set(one, "parked", REMOVED.code, REMOVED.detail)
            elif not held:
                self._set(one, "parked", "account_gone", f"LMS user {user_id} is not there any more")
            else:
                self._known(
                    one,
                    user_id,
                    held,
                    plan_linked(_wanted(one), user_id, held, created=one.account.link == "created").changes,
                    "update",
                )

    def _left(self, one: Rehearsed, user_id: str, held: UserFields) -> UserFields:
        return plan_linked(_wanted(one), user_id, held, created=one.account.link == "created").changes

    def _observed(self, user: LmsUser | None) -> UserFields:
        return observed(user, self._people.fields) if user else {}

    def _known(self, one: Rehearsed, user_id: str, held: UserFields, changes: UserFields, outcome: str) -> None:
        key = one.account.account_id
        self._user_ids[key], self._held[key], self._changes[key] = user_id, held, changes
        self._set(one, outcome if changes or outcome == "link" else "nothing")

    def _plan_newcomers(self, newcomers: Sequence[Rehearsed], protected: frozenset[str]) -> None:
        wanted = {one.account.account_id: _wanted(one) for one in newcomers}
        match_by = self._people.match_by
        found = candidates_of(self._users, wanted, match_by=match_by, protected=protected)
        for one in newcomers:
            key = one.account.account_id
            decided = plan_newcomer(
                _wanted(one),
                found[key],
                match_by=match_by,
                ours=one.account.username is not None,
                owned={user_id for user_id, owner in self._found.owners.items() if owner != key},
                refused=one.refused,
                maps=self._people.fields,
            )
            match decided:
                case Park(code, detail):
                    self._set(one, "parked", code, detail)
                case Link(user_id, how, changes, _):
                    held = next(self._observed(user) for user in found[key] if user.user_id == user_id)
                    self._known(one, user_id, held, changes, "link")
                    self._plans[key].detail = f"LMS user {user_id}, found by {how}"
                case Create():
                    self._new.append(one)
                    self._set(one, "create")
                case Leave():
                    pass

    # What is staged

    def _stage(self) -> None:
        asked = {key for key, fields in self._changes.items() if fields.get("suspended") is True}
        for payroll, suspensions in self._found.suspensions.items():
            new = [one.account_id for one in suspensions if not one.let_through and one.account_id in asked]
            verdict = judge(len(new), self._found.windows[payroll], self._found.integration.settings.guard)
            if new and not verdict.passes:
                for key in new:
                    plan = self._plans[key]
                    plan.outcome, plan.code = "staged", "mass_suspension"
                    plan.detail = (
                        f"{verdict.counted} suspensions in payroll {payroll or '(none)'}, {verdict.limit} pass"
                    )

    # What is sent

    def _name_newcomers(self) -> None:
        options = {one.account.account_id: list(_names(one)) for one in self._new}
        names = {name for some in options.values() for name in some}
        reserved = {name: owner for name, owner in self._found.reserved.items() if name in names}
        chosen, without = free_usernames(self._users, options, reserved)
        for one in self._new:
            key = one.account.account_id
            if key in without:
                self._set(one, "parked", "username_taken", "every possible user name is taken")
                continue
            self._user_ids[key] = NOBODY_YET
            self._plans[key].calls.append(create_call(self._new_user(one, chosen[key])))
            if _wanted(one).suspended:
                self._held[key], self._changes[key] = {"suspended": False}, {"suspended": True}

    def _new_user(self, one: Rehearsed, username: str) -> NewUser:
        wanted = _wanted(one)
        given = self._people.password == "preset" or is_pseudo(wanted.email)  # noqa: S105 - says where it comes from
        return NewUser(
            username=username,
            email=wanted.email,
            first_name=wanted.first_name,
            last_name=wanted.last_name,
            external_key=wanted.external_key,
            password="" if given else None,
            custom=wanted.custom,
        )

    def _add_calls(self, one: Rehearsed) -> None:
        key = one.account.account_id
        plan = self._plans[key]
        if plan.outcome in ("parked", "staged") or key not in self._user_ids:
            return
        if changes := self._changes.get(key):
            plan.calls.append(update_call(UserChange(self._user_ids[key], changes), self._held[key]))
        for course_id, placements in _courses_due(one, plan).items():
            after = merged(self._user_ids[key], course_id, [p.wanted for p in placements])
            applied = [p.applied for p in placements if p.applied]
            before = merged(self._user_ids[key], course_id, applied) if applied else []
            plan.calls += enrol_calls(after, before)
        if plan.calls and plan.outcome == "nothing":
            plan.outcome = "update"


def _courses_due(one: Rehearsed, plan: PersonPlan) -> dict[str, list[ClaimedPlacement]]:
    """Per course with something due, every placement that shapes the enrolment; the plan says what is left out."""
    courses: dict[str, list[ClaimedPlacement]] = {}
    for placement in one.placements:
        code = hindrance(
            due=placement.due,
            provisioned=placement.provisioned,
            course_id=placement.lms_course_id,
            wanted_if_absent=_wanted(one).wanted_if_absent,
            too_late=placement.too_late,
        )
        if code:
            plan.detail = "; ".join(filter(None, [plan.detail, f"{placement.enrolment_key}: {code}"]))
        elif placement.lms_course_id and (placement.due or placement.provisioned):
            courses.setdefault(placement.lms_course_id, []).append(placement)
    return {course_id: every for course_id, every in courses.items() if any(p.due for p in every)}


def _wanted(one: Rehearsed) -> WantedAccount:
    assert one.account.wanted is not None  # noqa: S101 - only accounts with a wanted state are open
    return one.account.wanted


def _names(one: Rehearsed) -> Iterable[str]:
    account = one.account
    if account.username is not None and (account.doubt or account.starts > 0):
        yield account.username
    yield from candidates(_wanted(one).username, account.employee_key)
