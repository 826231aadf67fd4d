"""
People who fail at a simulated site of a whole installation, until its cause is gone; and replays of them.
"""

import json
from datetime import timedelta
from typing import Any

from db.pool import open_pool
from db.replay_views import Report
from db.replays import Selection
from domain.permissions import EVERYTHING
from ops import replay_acts, replays
from ops.operators import Operator
from ops.replays import Created, Preview
from tests.support import company
from tests.support.installation import TENANT, Installation

CREATE = "core_user_create_users"
REJECTED = Selection(code="lms_rejected")
EVA = Operator("eva", "cli", EVERYTHING, "admin", reason="the cause is gone")


def people(count: int, first: int = 1) -> tuple[str, ...]:
    return tuple(f"T-{number:03d}" for number in range(first, first + count))


def failed(made: Installation, count: int) -> None:
    """
    So many people were refused by the site, one by one, and need somebody.
    """
    made.site.tell("faults", function=CREATE, errorcode="invalidparameter", exception="invalid_parameter_exception")
    made.start("ingest", "worker", "scheduler")
    made.publish(company.hires(people(count)))
    made.until(lambda: open_failures(made) == count, "all have failed")


def mend(made: Installation) -> None:
    """
    The cause is gone.
    """
    made.site.tell("faults/clear")


def open_failures(made: Installation) -> int:
    return int(made.one("select count(*) from failure where code = 'lms_rejected' and resolved_at is null"))


def created(made: Installation) -> list[dict[str, Any]]:
    """
    Every user that was made at the site, in order.
    """
    return list(made.site.read("ledger?kind=user+created"))


def preview(made: Installation, **chosen: Any) -> Preview:
    with open_pool(made.settings.database_url, name="test", max_size=1) as pool:
        return replays.preview(pool, made.settings, TENANT, REJECTED, **chosen)


def confirm(made: Installation, seen: Preview, **chosen: Any) -> Created:
    with open_pool(made.settings.database_url, name="test", max_size=1) as pool:
        return replays.create(pool, made.settings, TENANT, REJECTED, EVA, confirmed=seen.digest, **chosen)


def act(made: Installation, what: str, replay_id: int) -> None:
    with open_pool(made.settings.database_url, name="test", max_size=1) as pool:
        getattr(replay_acts, what)(pool, TENANT, replay_id, EVA)


def report(made: Installation, replay_id: int) -> Report:
    with open_pool(made.settings.database_url, name="test", max_size=1) as pool:
        return replay_acts.report(pool, TENANT, replay_id)


def ended(made: Installation, replay_id: int, within: timedelta = timedelta(seconds=90)) -> Report:
    """
    The report, once nothing more happens by itself.
    """
    is_over = "select ended_at is not null from replay where replay_id = %(id)s"
    running = "select count(*) from replay_item where replay_id = %(id)s and state = 'running'"
    made.until(
        lambda: made.one(is_over, id=replay_id) and not made.one(running, id=replay_id), "replay has ended", within
    )
    return report(made, replay_id)


def spoken(made: Installation, command: str) -> Any:
    """
    The JSON that a command of the installation wrote.
    """
    return json.loads(made[f"matricula {command}"].log)
