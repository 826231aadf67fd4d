"""Is this installation able to do its work? Looks from the outside, changes nothing, and needs nothing to be well."""

from collections.abc import Iterator
from datetime import UTC, datetime

from db.inspection import Differences, Inspection, Line, Unreadable, looking
from db.pool import Db
from domain.checks import Check
from domain.errors import StoreUnavailable
from domain.failure_catalogue import describe
from domain.installation import clock_line, completed, line, loop_lines, waiting_line, work_line
from producers.broker import BROKER_ERRORS
from producers.inspection import Found, inspect, reached
from runtime import mail
from runtime.settings import Settings
from runtime.topology import DEAD_QUEUE, UNROUTED_QUEUE, WAKE_UP_QUEUES

NAMED = 5
"""So many of a kind are named; the others are counted."""


def examine(settings: Settings, problems: list[str]) -> list[Check]:
    """
    Every line about the installation; what something red stands before is not checked.

    Args:
        problems: What is wrong with the settings; what can be read of them is looked at all the same.
    """
    found = [line("settings", "failed", "; ".join(problems)) if problems else line("settings", "ok")]
    if settings.database_url:
        found += _database(settings)
    if settings.amqp_url:
        found += _broker(settings)
    found.append(_mail(settings))
    return completed(found)


def _database(settings: Settings) -> Iterator[Check]:
    try:
        with looking(settings.database_url) as db:
            yield from _server(db)
        schema = _compared(settings.database_url)
        yield from schema
        if any(check.name == "schema" and check.state == "failed" for check in schema):
            return
        with looking(settings.database_url) as db:
            yield from _contents(settings, Inspection(db))
    except StoreUnavailable as problem:
        yield line("database", "failed", problem.detail)
    except Unreadable as problem:
        yield line(problem.about, "failed", str(problem))


def _server(db: Db) -> Iterator[Check]:
    began = datetime.now(UTC)
    server = Inspection(db).server()
    # The answer is from some time between question and answer; its middle is off by half of that at most.
    yield clock_line(began + (datetime.now(UTC) - began) / 2 - server.now)
    said = f"PostgreSQL {server.version.partition(' ')[0]}, {server.encrypted or 'not encrypted'}"
    yield (
        line("database", "failed", f"{said}: a standby, which takes no writes")
        if server.standby
        else line("database", "ok", said)
    )


def _compared(database_url: str) -> list[Check]:
    try:
        with looking(database_url) as db:
            lacking = Inspection(db).roles_lacking()
            differences = Inspection(db).differences()
    except Unreadable as problem:
        return [line("schema", "not checked", str(problem)), line("rights", "not checked", str(problem))]
    if differences is None:
        return [line("schema", "failed", "the database is empty")]
    return [_schema_line(differences.rights(wanted=False)), _rights_line(differences.rights(wanted=True), lacking)]


def _schema_line(differences: Differences) -> Check:
    """What somebody added beside, an index say, does no harm; what is missing does."""
    if differences.lacking:
        return line("schema", "failed", f"lacks or has otherwise {_some(differences.lacking)}")
    return line("schema", "ok", "as this version makes it")


def _rights_line(differences: Differences, roles_lacking: list[str]) -> Check:
    said = [f"roles that are missing or not ours to take: {', '.join(roles_lacking)}"] if roles_lacking else []
    said += [f"lacking: {_some(differences.lacking)}"] if differences.lacking else []
    said += [f"too many: {_some(differences.besides)}"] if differences.besides else []
    return line("rights", "failed", "; ".join(said)) if said else line("rights", "ok", "as this version gives them")


def _some(lines: list[Line]) -> str:
    names = [f"{kind} {name} {how}" if kind == "grant" else f"{kind} {name}" for kind, name, how in lines]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _contents(settings: Settings, inspection: Inspection) -> Iterator[Check]:
    yield from _keys(settings, inspection)
    yield from loop_lines(inspection.heartbeats())
    events, announcements = inspection.messages_waiting()
    yield waiting_line("events are applied", events)
    yield waiting_line("results are published", announcements)
    work = inspection.work_waiting()
    yield work_line("people are provisioned", {one.integration: (one.people_s, one.calls_counted) for one in work})
    yield work_line("results are read", {one.integration: (one.results_s, one.calls_counted) for one in work})
    held = [f"{name}: {describe(code).title}" for name, code in inspection.quarantined()]
    yield line("integrations", "warning", "; ".join(held)) if held else line("integrations", "ok", "none is held")


def _keys(settings: Settings, inspection: Inspection) -> Iterator[Check]:
    if not settings.master_keys.names:
        return
    keys = inspection.keys(settings.master_keys)
    closed = "; ".join(f"{key.tenant}: {key.trouble}" for key in keys if key.trouble)
    older = [key for key in keys if key.older]
    oldest = f", wrapped since {min(key.wrapped_at for key in keys):%F}" if keys else ""
    if closed:
        yield line("master key", "failed", closed)
    elif older:
        yield line("master key", "warning", f"{len(older)} of {len(keys)} companies' by an older one{oldest}")
    else:
        yield line("master key", "ok", f"opens {len(keys)} companies' keys{oldest}")


def _broker(settings: Settings) -> Iterator[Check]:
    try:
        with reached(settings.amqp_url) as connection:
            found = inspect(connection)
    except BROKER_ERRORS as problem:
        yield line("broker", "failed", f"{type(problem).__name__}: {problem}".partition("\n")[0])
        return
    encrypted = "encrypted" if settings.amqp_url.startswith("amqps:") else "not encrypted"
    yield line("broker", "ok", f"{found.server}, {encrypted}")
    yield line("queues", "failed", "; ".join(found.wrong)) if found.wrong else line("queues", "ok", "as they must be")
    yield _letters_line(found)
    yield _wake_ups_line(found)


def _letters_line(found: Found) -> Check:
    left = {name: found.waiting[name] for name in (DEAD_QUEUE, UNROUTED_QUEUE) if found.waiting.get(name)}
    said = ", ".join(f"{count} in {name}" for name, count in left.items())
    return line("dead letters", "warning", said) if left else line("dead letters", "ok", "none waits")


def _wake_ups_line(found: Found) -> Check:
    deaf = [name for name in WAKE_UP_QUEUES if not found.consumers.get(name)]
    if deaf:
        return line("wake-ups", "failed", f"nobody listens to {', '.join(deaf)}")
    return line("wake-ups", "ok", ", ".join(f"{found.consumers[name]} at {name}" for name in WAKE_UP_QUEUES))


def _mail(settings: Settings) -> Check:
    if not settings.smtp_url:
        return line("mail", "ok", "not set: no mail is sent")
    try:
        mail.greet(settings)
    except mail.NotSent as problem:
        return line("mail", "failed", str(problem))
    return line("mail", "ok", "the server lets us in")
