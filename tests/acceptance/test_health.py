"""What an installation of real processes says of its own health, and that it never says more than it may."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from tests.support.installation import Installation, installation


@pytest.fixture
def made(database_url: str, amqp_url: str, tmp_path: Path) -> Iterator[Installation]:
    with installation(database_url, amqp_url, tmp_path) as found:
        found.set_up()
        yield found


def test_the_doctor_is_content_with_a_whole_installation_and_finds_the_worker_that_died(made: Installation) -> None:
    """B4: heartbeats come from the loops themselves."""
    made.start()
    made.until(lambda: made.run("doctor") == 0, "every line is well", timedelta(minutes=2))

    made["worker"].kill()
    made.until(lambda: turned_long_ago(made, "apply"), "its last heartbeat is from before")
    assert made.run("doctor", "--json") == 1
    assert '"name": "apply turns",\n    "state": "failed"' in made["matricula doctor --json"].log

    made["worker"].start()
    made.until(lambda: made.run("doctor") == 0, "every line is well again", timedelta(minutes=2))


def turned_long_ago(made: Installation, loop: str) -> bool:
    """A minute passes for one loop; whoever turns says so again."""
    with psycopg.connect(made.settings.database_url) as connection:
        connection.execute("update heartbeat set turned_at = turned_at - interval '70 s' where loop = %s", [loop])
    return True
