"""Failures and their groups: look, say what is known of them, dismiss and restore; every skin calls these."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from db.audit import Item
from db.failure_acts import FailureActs, Regrouping, Touched
from db.failure_groups import count_groups
from db.failure_views import MOST, CountLine, FailureLine, FailureViews, Filter, GroupLine, HistoryLine, Pivot
from db.pool import Db, Pool, transaction
from domain.failure_catalogue import Failure, describe
from domain.fingerprints import VERSIONS, Cause, Fingerprint
from domain.replays import REPLAYABLE
from ops.actions import NotFound, Refused
from ops.operators import Operator, audited, audited_items, deed

KEPT = timedelta(days=30)
"""How long a dismissed failure can be restored."""
SAMPLES = 20
REGROUP = "ops:installation:regroup"


@dataclass(frozen=True, slots=True)
class Shown:
    """One group's page: what happened and what to do, why these are together, some of them, what was done so far."""

    group: GroupLine
    entry: Failure
    history: Sequence[HistoryLine]
    samples: Sequence[FailureLine]
    commands: Sequence[str]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Single failures by number, or all of a group."""

    ids: Sequence[int] = ()
    groups: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """Which failures it was done to, and how many groups they are of; `left` says why others were left as they are."""

    failures: Sequence[int]
    groups: int
    left: Mapping[int, str] = field(default_factory=dict)


def find_group(db: Db, tenant: str | None, group_id: int) -> GroupLine:
    """
    Raises:
        NotFound: There is no such group.
    """
    group = FailureViews(db, tenant).group(group_id)
    if group is None:
        raise NotFound(f"there is no failure group {group_id}; see `matricula failures groups`")
    return group


def groups(
    pool: Pool, tenant: str | None, chosen: Filter, *, everything: bool = False, most: int = MOST
) -> list[GroupLine]:
    """The groups with something open in them, or all; the largest first."""
    with transaction(pool) as db:
        return FailureViews(db, tenant).groups(chosen, everything=everything, most=most)


def lines(
    pool: Pool,
    tenant: str | None,
    chosen: Filter,
    *,
    group_id: int | None = None,
    dismissed: bool = False,
    most: int = MOST,
) -> list[FailureLine]:
    """Single failures: open ones, or dismissed ones."""
    with transaction(pool) as db:
        return FailureViews(db, tenant).failures(chosen, group_id=group_id, dismissed=dismissed, most=most)


def counts(pool: Pool, tenant: str | None, by: Pivot, most: int = MOST) -> list[CountLine]:
    """Open failures counted another way than by cause."""
    with transaction(pool) as db:
        return FailureViews(db, tenant).counts(by, most)


def show(pool: Pool, tenant: str | None, group_id: int) -> Shown:
    """
    Raises:
        NotFound: There is no such group.
    """
    with transaction(pool) as db:
        group = find_group(db, tenant, group_id)
        views = FailureViews(db, tenant)
        history, samples = views.history(group_id), views.failures(group_id=group_id, most=SAMPLES)
    return Shown(group, describe(group.code), history, samples, _commands(group, samples))


def _commands(group: GroupLine, samples: Sequence[FailureLine]) -> list[str]:
    """What can be done, to copy; one first."""
    if not group.failures:
        return []
    acts = [f"matricula failures dismiss --group {group.group_id} --reason '…'"]
    if group.kind not in REPLAYABLE:
        return acts if group.kind in ("reading", "course", "payroll") else []
    one = samples[0].failure_id if samples else 0
    retry = [f"matricula replay create --item {one} --reason '…'", f"matricula replay preview --group {group.group_id}"]
    return retry + acts


def acknowledge(pool: Pool, tenant: str | None, group_id: int, by: Operator) -> GroupLine:
    """
    Somebody has seen it.

    Raises:
        NotFound, Refused: There is no such group, or it is not in a state for it.
    """
    return _change(
        pool, tenant, group_id, by, "acknowledge", lambda acts, _: acts.acknowledge(group_id), "acknowledged"
    )


def snooze(pool: Pool, tenant: str | None, group_id: int, until: datetime, by: Operator) -> GroupLine:
    """
    Nobody needs to look before.

    Raises:
        NotFound, Refused: There is no such group, it is not in a state for it, or the time has passed.
    """
    if until <= datetime.now(UTC):
        raise Refused("the end of a snooze lies in the past")
    return _change(
        pool,
        tenant,
        group_id,
        by,
        "snooze",
        lambda acts, _: acts.snooze(group_id, until),
        f"snoozed until {until:%F %H:%M}",
    )


def assign(pool: Pool, tenant: str | None, group_id: int, to: str | None, by: Operator) -> GroupLine:
    """Whose it is from now on; nobody's with None."""
    what = f"assigned to {to}" if to else "assigned to nobody"
    return _change(pool, tenant, group_id, by, "assign", lambda acts, _: acts.assign(group_id, to), what)


def note(pool: Pool, tenant: str | None, group_id: int, text: str, by: Operator) -> GroupLine:
    """What is known about it by now; the notes before stay in its history."""
    return _change(pool, tenant, group_id, by, "note", lambda acts, _: acts.note(group_id, text), f"note: {text}")


def _change(
    pool: Pool,
    tenant: str | None,
    group_id: int,
    by: Operator,
    action: str,
    act: Callable[[FailureActs, GroupLine], bool],
    what: str,
) -> GroupLine:
    permission = f"failures:group:{action}"
    by.check(permission, tenant, f"group/{group_id}")
    with deed(pool, by) as db:
        before = find_group(db, tenant, group_id)
        acts = FailureActs(db, tenant)
        if not act(acts, before):
            raise Refused(f"failure group {group_id} is {before.state}; it cannot be {action}d now")
        acts.remember([group_id], what, who=by.name, reason=by.reason)
        after = find_group(db, tenant, group_id)
        told = _told(before), _told(after)
        audited(db, by, permission, f"group/{group_id}", tenant=before.tenant, before=told[0], after=told[1])
    return after


def _told(group: GroupLine) -> dict[str, object]:
    return {"state": group.state, "until": group.snoozed_until, "assigned_to": group.assigned_to}


def dismiss(pool: Pool, tenant: str | None, chosen: Chosen, by: Operator) -> Done:
    """
    Nothing needs to be done about these; they are never tried again unless somebody restores them in time.

    Raises:
        NotFound: None of them is open.
    """

    def act(acts: FailureActs) -> Touched:
        return acts.dismiss(ids=chosen.ids, groups=chosen.groups, who=by.name, reason=by.reason, kept=KEPT)

    return _each(pool, tenant, chosen, by, "dismiss", act)


def restore(pool: Pool, tenant: str | None, chosen: Chosen, by: Operator) -> Done:
    """
    These need somebody after all.

    Raises:
        NotFound: None of them was dismissed, can still be restored, and is still so.
    """

    def act(acts: FailureActs) -> Touched:
        return acts.restore(ids=chosen.ids, groups=chosen.groups)

    return _each(pool, tenant, chosen, by, "restore", act)


def _each(
    pool: Pool,
    tenant: str | None,
    chosen: Chosen,
    by: Operator,
    action: str,
    act: Callable[[FailureActs], Touched],
) -> Done:
    if not (chosen.ids or chosen.groups):
        raise Refused("say which failures: by number, or a group")
    permission, done = f"failures:group:{action}", {"dismiss": "dismissed", "restore": "restored"}[action]
    by.check(permission, tenant)
    with deed(pool, by) as db:
        acts = FailureActs(db, tenant)
        touched = act(acts)
        left = _left(db, tenant, chosen, touched)
        if not touched:
            why = "; ".join(f"{number}: {reason}" for number, reason in left.items())
            raise NotFound(f"nothing could be {done}{': ' + why if why else ''}")
        acts.remember(touched.values(), done, who=by.name, reason=by.reason, failures=len(touched))
        for owner, failures in _by_tenant(db, touched).items():
            target = f"group/{touched[failures[0]]}" if len(set(touched.values())) == 1 else "group/several"
            operation = audited(db, by, permission, target, tenant=owner, after={"failures": len(failures)})
            audited_items(db, operation, [Item(f"failure/{failure_id}") for failure_id in failures])
    return Done(sorted(touched), len(set(touched.values())), left)


def _by_tenant(db: Db, touched: Touched) -> dict[str | None, list[int]]:
    found: dict[str | None, list[int]] = {}
    for line in FailureViews(db, None).failures(ids=sorted(touched), most=len(touched)):
        found.setdefault(line.tenant, []).append(line.failure_id)
    return found


def _left(db: Db, tenant: str | None, chosen: Chosen, touched: Touched) -> dict[int, str]:
    """Why single failures were left as they are; of another client's nobody hears that they exist."""
    asked = sorted(set(chosen.ids) - touched.keys())
    known = {line.failure_id: line for line in FailureViews(db, tenant).failures(ids=asked)} if asked else {}
    return {failure_id: _state(known.get(failure_id)) for failure_id in asked}


def _state(line: FailureLine | None) -> str:
    if line is None:
        return "there is no such failure"
    if line.restorable_until and line.restorable_until <= datetime.now(UTC):
        return f"dismissed, and since {line.restorable_until:%F} it cannot be restored any more"
    if line.dismissed_at:
        return f"dismissed, restorable until {line.restorable_until:%F}" if line.restorable_until else "dismissed"
    return "done already" if line.resolved_at else "it ends with its cause"


def regroup(
    pool: Pool,
    old: str,
    new: str,
    by: Operator,
    versions: Mapping[str, Callable[[Cause], Fingerprint]] = VERSIONS,
) -> int:
    """
    Failures grouped by one version of the rules are grouped by another; the old groups lead to the new ones.

    Safe to run again after any crash: some are moved at a time, and those are no longer of the old version.

    Returns:
        How many were moved.

    Raises:
        NotFound: There is no such version.
    """
    by.check(REGROUP, None)
    if new not in versions:
        raise NotFound(f"this release groups by {', '.join(versions)}")
    if old == new:
        return 0
    moved = 0
    while True:
        with transaction(pool) as db:
            some = Regrouping(db).move(old, versions[new])
            count_groups(db)
            moved += some
            if not some:
                audited(
                    db,
                    by,
                    "ops:installation:regroup",
                    f"groups/{new}",
                    tenant=None,
                    after={"from": old, "moved": moved},
                )
                return moved
