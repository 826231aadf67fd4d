"""`matricula replay`: try failures again; look first, confirm what was seen, watch, and stop at any time."""

import shlex
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from db.pool import Pool, transaction
from db.replay_views import ItemLine, ReplayRow, Report, replay_rows
from db.replays import Selection
from domain.failure_catalogue import describe
from domain.replays import Mode
from ops import replay_acts, replays
from ops.cli.output import Exit, err, fail, out, printable, show_json, show_table, told
from ops.cli.plan import show_calls
from ops.cli.session import Acting, DryRun, Reason, acting, opened
from ops.operators import Operator
from ops.replays import Preview

app = typer.Typer(no_args_is_help=True, help=__doc__)

READ = "replays:replay:read"
LOOK_EVERY_S = 1.0
MOST_IDS_SHOWN = 20
TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
Tenant = Annotated[str | None, typer.Option(help="Only this client company.")]
Number = Annotated[int, typer.Argument(help="The replay's number, as `replay list` shows it.")]
Item = Annotated[list[int] | None, typer.Option(help="This failure, by number; may be given again.")]
Group = Annotated[list[int] | None, typer.Option(help="All failures of this group; may be given again.")]
Ids = Annotated[Path | None, typer.Option("--ids", help="File with numbers of failures, one a line.")]
Integration = Annotated[str | None, typer.Option(help="Failures in this integration.")]
Code = Annotated[str | None, typer.Option(help="Failures of this code.")]
Person = Annotated[str | None, typer.Option(help="Failures of this employee key.")]
Payroll = Annotated[str | None, typer.Option(help="Failures of people of this payroll.")]
Course = Annotated[str | None, typer.Option(help="Failures of enrolments in this course.")]
Type = Annotated[str | None, typer.Option("--type", help="Messages of this type of event.")]
Since = Annotated[datetime | None, typer.Option(formats=TIMES, help="Failed last at this time, in UTC, or later.")]
Until = Annotated[datetime | None, typer.Option(formats=TIMES, help="Failed last before this time, in UTC.")]
ModeOption = Annotated[
    Mode, typer.Option(help="Take the failed step again, or look anew at what HR says with today's settings.")
]
Share = Annotated[
    float | None, typer.Option(min=0.01, max=1, help="Share of what the LMS takes; the integration's own without it.")
]


@app.command()
def preview(
    item: Item = None,
    group: Group = None,
    ids: Ids = None,
    integration: Integration = None,
    code: Code = None,
    person: Person = None,
    payroll: Payroll = None,
    course: Course = None,
    type_: Type = None,
    since: Since = None,
    until: Until = None,
    mode: ModeOption = "resume",
    share: Share = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Show what trying failures again would come to, with each field before and after. Writes nothing."""
    with told(), opened(replays.CREATE) as (settings, pool):
        chosen = _selection(_numbers(item, ids), group, integration, code, person, payroll, course, type_, since, until)
        seen = replays.preview(pool, settings, tenant, chosen, mode=mode, share=share)
    _tell(seen, chosen, share, tenant, as_json=as_json)


@app.command()
def create(
    item: Item = None,
    group: Group = None,
    ids: Ids = None,
    integration: Integration = None,
    code: Code = None,
    person: Person = None,
    payroll: Payroll = None,
    course: Course = None,
    type_: Type = None,
    since: Since = None,
    until: Until = None,
    mode: ModeOption = "resume",
    share: Share = None,
    reason: Reason = "",
    digest: Annotated[
        str | None, typer.Option(help="Of the preview that is confirmed; needed for more than one.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Confirm it without being asked.")] = False,
    dry_run: DryRun = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Try failures again. More than one takes a preview's digest, and --yes; --dry-run only previews."""
    with told(), acting(reason) as (settings, pool, by):
        tenant = by.tenant or tenant
        chosen = _selection(_numbers(item, ids), group, integration, code, person, payroll, course, type_, since, until)
        if dry_run:
            by.check(replays.CREATE, by.tenant)
            seen = replays.preview(pool, settings, tenant, chosen, mode=mode, share=share)
            _tell(seen, chosen, share, tenant, as_json=as_json)
            return
        if digest and not yes:
            raise fail("confirm it with --yes", Exit.USAGE)
        made = replays.create(pool, settings, tenant, chosen, by, mode=mode, share=share, confirmed=digest)
    if as_json:
        show_json({"existed": made.existed, "replay": made.replay})
        return
    row = made.replay
    begun = f"was made at {row.created_at:%H:%M:%S} by {row.created_by} already" if made.existed else "is made"
    out.print(
        printable(f"replay {row.replay_id} of {row.members} at {row.integration or 'messages'} {begun}: {row.state}")
    )
    # Looked up anew just now: somebody may have been made by hand since the preview (J4).
    out.print(printable(f"foreseen now: {', '.join(f'{count} {effect}' for effect, count in row.predicted.items())}"))
    if row.state == "unapproved":
        out.print(printable(f"somebody else has to agree: matricula replay approve {row.replay_id}"))
    else:
        out.print(f"matricula replay watch {row.replay_id}")


def _numbers(items: list[int] | None, file: Path | None) -> tuple[int, ...] | None:
    """Numbers of failures, given one by one and in a file."""
    found = list(items or ())
    if file is not None:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        wrong = [number for number, line in enumerate(lines, start=1) if line and not line.isdecimal()]
        if wrong:
            raise fail(f"{file}: line {wrong[0]} is not the number of a failure", Exit.USAGE)
        found += [int(line) for line in lines if line]
    return tuple(dict.fromkeys(found)) if items or file is not None else None


def _selection(
    ids: tuple[int, ...] | None,
    groups: list[int] | None,
    integration: str | None,
    code: str | None,
    person: str | None,
    payroll: str | None,
    course: str | None,
    type_: str | None,
    since: datetime | None,
    until: datetime | None,
) -> Selection:
    return Selection(
        ids,
        tuple(groups) if groups else None,
        integration,
        code,
        person,
        payroll,
        course,
        type_,
        since and since.replace(tzinfo=UTC),
        until and until.replace(tzinfo=UTC),
    )


def _tell(seen: Preview, chosen: Selection, share: float | None, tenant: str | None, *, as_json: bool) -> None:
    if as_json:
        show_json(seen)
    else:
        _show_preview(seen)
        out.print(printable(_as_command(chosen, seen, share, tenant)))


def _show_preview(seen: Preview) -> None:
    target = seen.integration or "messages"
    out.print(printable(f"{seen.members} failures at {target}, to {MODES[seen.mode]}"))
    for failure_id, why in seen.refused.items():
        out.print(printable(f"left out: {failure_id}, {why}"))
    show_table(("foreseen", "how many"), Counter(seen.effects).most_common())
    if seen.sampled is not None:
        likely = ", ".join(f"{count} {effect}" for effect, count in sorted(seen.estimated.items()))
        out.print(
            printable(f"from a sample of {seen.sampled} that was looked up in the LMS, the unknown ones: {likely}")
        )
    out.print(
        f"about {seen.calls} LMS calls; at {seen.per_minute:g} a minute it takes {timedelta(seconds=seen.takes_s)}"
    )
    if seen.deactivations:
        out.print(f"[bold]{seen.deactivations} would be suspended or ended[/]")
    if seen.approval:
        out.print(printable(f"a second person has to agree: {seen.approval}"))
    if seen.waits:
        out.print(printable(f"nothing is begun for now: {seen.waits}"))
    for sample in seen.samples:
        why = f" ({sample.detail})" if sample.detail else ""
        out.print(printable(f"{sample.failure_id} {sample.kind} of {sample.employee_key or '?'}: {sample.effect}{why}"))
        show_calls(sample.calls)


MODES = {"resume": "take the failed step again", "re-evaluate": "look anew at what HR says"}


def _as_command(chosen: Selection, seen: Preview, share: float | None, tenant: str | None) -> str:
    """The confirmation, to copy."""
    told = chosen.values() | {"mode": seen.mode, "share": share, "tenant": tenant}
    names = {"ids": "item", "groups": "group"}
    words = ["matricula", "replay", "create"]
    if len(told["ids"] or ()) > MOST_IDS_SHOWN:
        told["ids"] = None
        words += ["--ids", "FILE"]
    for name, value in told.items():
        for one in value if isinstance(value, list) else [] if value is None else [value]:
            text = f"{one:%Y-%m-%dT%H:%M:%S}" if isinstance(one, datetime) else str(one)
            words += [f"--{names.get(name, name)}", text]
    return shlex.join([*words, "--digest", seen.digest, "--yes", "--reason", "…"])


# Under way


@app.command("list")
def list_(
    active: Annotated[bool, typer.Option("--active", help="Only those that have not ended.")] = False,
    most: Annotated[int, typer.Option(min=1, max=1000, help="Show at most so many.")] = 20,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List replays, the newest first."""
    with told(), opened(READ) as (_, pool), transaction(pool) as db:
        found = replay_rows(db, tenant, active=active, most=most)
    if as_json:
        show_json(found)
    else:
        _show_rows(found)
    if not found:
        raise typer.Exit(Exit.NOTHING)


def _show_rows(rows: list[ReplayRow]) -> None:
    columns = (
        "replay",
        "state",
        "at",
        "of",
        "waiting",
        "running",
        "done",
        "failed",
        "skipped",
        "a minute",
        "by",
        "made",
        "",
    )
    show_table(
        columns,
        [
            (
                r.replay_id,
                r.state,
                r.integration or "messages",
                r.members,
                r.waiting,
                r.running,
                r.done,
                r.failed,
                r.skipped,
                f"{r.per_minute:g}",
                r.created_by,
                f"{r.created_at:%F %H:%M}",
                r.why,
            )
            for r in rows
        ],
    )


@app.command()
def watch(number: Number, tenant: Tenant = None, as_json: Json = False) -> None:
    """Show a replay's progress until it has ended, then its report."""
    with told(), opened(READ) as (_, pool):
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), console=err, disable=as_json or not err.is_terminal) as progress:
            bar = progress.add_task("replay", total=None)
            while not _is_over(found := replay_acts.report(pool, tenant, number)):
                row = found.replay
                ended = row.done + row.failed + row.skipped
                progress.update(
                    bar, completed=ended, total=row.members, description=f"{row.state}, {row.failed} failed"
                )
                time.sleep(LOOK_EVERY_S)
    _show_report(found, as_json=as_json)


def _is_over(found: Report) -> bool:
    return found.replay.ended_at is not None and not found.replay.running


@app.command()
def report(
    number: Number,
    items: Annotated[bool, typer.Option("--items", help="Every single item, too.")] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Show what came of a replay: done, skipped, failed again, otherwise than foreseen, and what is new since."""
    with told(), opened(READ) as (_, pool):
        found = replay_acts.report(pool, tenant, number)
        every = replay_acts.items(pool, found.replay) if items else []
    if as_json:
        show_json({"report": found, "items": every} if items else found)
        raise typer.Exit(_exit(found))
    if every:
        _show_items(every)
        out.print()
    _show_report(found, as_json=False)


def _show_report(found: Report, *, as_json: bool) -> None:
    if as_json:
        show_json(found)
        raise typer.Exit(_exit(found))
    _show_rows([found.replay])
    for title, counts in (("done", found.done), ("skipped", found.skipped)):
        if counts:
            out.print(printable(f"{title}: {', '.join(f'{count} {what}' for what, count in counts.items())}"))
    for code, count in found.failed.items():
        out.print(printable(f"failed again: {count} {describe(code).title}. {describe(code).fix} [{code}]"))
    for code, count in found.new_failures.items():
        out.print(printable(f"new since it began: {count} {describe(code).title} [{code}]"))
    if found.different:
        out.print(f"{found.different} ended otherwise than foreseen:")
        _show_items(found.differences)
    raise typer.Exit(_exit(found))


def _show_items(lines: Sequence[ItemLine]) -> None:
    show_table(
        ("item", "failure", "kind", "employee", "had failed", "foreseen", "state", "outcome"),
        [(i.position, i.failure_id, i.kind, i.employee_key, i.code, i.predicted, i.state, i.outcome) for i in lines],
    )


def _exit(found: Report) -> Exit:
    return Exit.PARTLY if found.replay.failed else Exit.OK


@app.command()
def approve(
    number: Number, reason: Reason = "", dry_run: DryRun = False, tenant: Tenant = None, as_json: Json = False
) -> None:
    """Agree to a replay that somebody else made."""
    _act(replay_acts.approve, number, tenant, acting(reason, dry_run=dry_run), as_json=as_json)


@app.command()
def pause(
    number: Number, reason: Reason = "", dry_run: DryRun = False, tenant: Tenant = None, as_json: Json = False
) -> None:
    """Begin nothing further until it is resumed; what is under way comes to its end."""
    _act(replay_acts.pause, number, tenant, acting(reason, dry_run=dry_run), as_json=as_json)


@app.command()
def resume(
    number: Number, reason: Reason = "", dry_run: DryRun = False, tenant: Tenant = None, as_json: Json = False
) -> None:
    """Go on with what is left, one at first."""
    _act(replay_acts.resume, number, tenant, acting(reason, dry_run=dry_run), as_json=as_json)


@app.command()
def cancel(
    number: Number, reason: Reason = "", dry_run: DryRun = False, tenant: Tenant = None, as_json: Json = False
) -> None:
    """Begin nothing further; what is under way comes to its end."""
    _act(replay_acts.cancel, number, tenant, acting(reason, dry_run=dry_run), as_json=as_json)


def _act(
    act: Callable[[Pool, str | None, int, Operator], ReplayRow],
    number: int,
    tenant: str | None,
    session: Acting,
    *,
    as_json: bool,
) -> None:
    with told(), session as (_, pool, by):
        row = act(pool, by.tenant or tenant, number, by)
    if as_json:
        show_json(row)
    else:
        out.print(printable(f"replay {row.replay_id} is {row.state}: {row.waiting} wait, {row.running} are under way"))
