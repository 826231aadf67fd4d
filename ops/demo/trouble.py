"""
What the demonstration breaks on purpose, and how whoever is called mends it: with the commands that anybody would type.

The Moodle's token is revoked while twenty people are hired, and the Moodle refuses ten of them. The first is one
integration on hold and costs nobody anything; the second is one group of ten failures, tried again when the Moodle
takes them.
"""

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from db.console_views import Overview
from db.pool import Pool
from ops.cli.output import Exit, err, out, printable
from ops.demo.expected import read_lines
from ops.demo.generate import NEWCOMERS, REFUSED, TROUBLE
from ops.demo.places import Place
from ops.demo.processes import Simulator
from ops.demo.watch import Watch, bars

HELD, REJECTED = "token_refused", "lms_rejected"
LINES = 14
"""So many of a long answer are shown."""


class Trouble:
    """
    Trouble at one place, and the end of it.

    Attributes:
        wrong: What did not go as it has to.
    """

    def __init__(self, place: Place, site: Simulator, pool: Pool, environment: Mapping[str, str], folder: Path) -> None:
        self.wrong: list[str] = []
        self._place = place
        self._site = site
        self._pool = pool
        self._environment = environment
        self._folder = folder

    def begin(self) -> None:
        """The token is no longer accepted, and some people are not either."""
        self._say(
            f"{self._place.name} revokes the token, {NEWCOMERS} people are hired, {REFUSED} of them will be refused"
        )
        self._site.tell("token/revoke", token=self._place.token)
        for address in _addresses()[:REFUSED]:
            self._site.tell(
                "faults",
                function="core_user_create_users",
                value=address,
                errorcode="invalidparameter",
                exception="invalid_parameter_exception",
            )

    def overcome(self) -> None:
        """Everything that was broken is found, mended and done."""
        self._wait_for("held", HELD, 1)
        self._groups(HELD, 1)
        self._give_new_token()
        self._wait_for("refused", REJECTED, REFUSED)
        group = self._groups(REJECTED, 1)[0]["group_id"]
        self._say("The Moodle takes them now")
        self._site.tell("faults/clear")
        self._replay(group)
        self._groups(REJECTED, 0)

    def _give_new_token(self) -> None:
        self._say("The Moodle's owner makes a new token")
        new = f"{self._place.token}-anew"
        self._site.tell("token/restore", token=self._place.token, **{"as": new})
        file = self._folder / "token"
        file.write_text(new, encoding="utf-8")
        file.chmod(0o600)
        reason = "the old one was revoked"
        self._type("integration", "set-token", self._place.name, "--token-file", str(file), "--reason", reason)
        file.unlink()

    def _groups(self, code: str, count: int) -> list[Any]:
        """The groups of this code, of which there must be so many."""
        self._type("failures", "groups", "--integration", self._place.name, "--code", code, ends=not count)
        found: list[Any] = self._ask("failures", "groups", "--integration", self._place.name, "--code", code)
        if len(found) != count:
            self.wrong.append(f"{code}: {len(found)} groups, and there should be {count}")
        return found

    def _replay(self, group: int) -> None:
        chosen = ("--group", str(group))
        self._type("replay", "preview", *chosen)
        seen = self._ask("replay", "preview", *chosen)
        if seen["effects"] != {"create": REFUSED}:
            self.wrong.append(f"the preview foresees {seen['effects']}")
        digest = ("--digest", seen["digest"], "--yes", "--reason", "the Moodle takes them now")
        self._type("replay", "create", *chosen, *digest)
        number = str(self._ask("replay", "list")[0]["replay_id"])
        self._type("replay", "watch", number)
        done = self._ask("replay", "report", number)["done"]
        if done != {"create": REFUSED}:
            self.wrong.append(f"the replay did {done}")

    def _wait_for(self, what: str, code: str, count: int) -> None:
        with bars() as shown:
            Watch(self._pool, shown).until(what, count, lambda overview: self._failures(overview, code))

    def _failures(self, overview: Overview, code: str) -> int:
        found = [f.count for f in overview.failures if (f.integration, f.code) == (self._place.name, code)]
        return sum(found)

    def _say(self, what: str) -> None:
        out.print(f"\n[bold]{printable(what)}.[/]")

    def _type(self, *words: str, ends: bool = False) -> None:
        """The command and the beginning of its answer, as on a screen; `ends` when nothing is to be found any more."""
        out.print(f"[dim]$ matricula {printable(shlex.join(words))}[/]")
        done = self._run(words)
        lines = done.stdout.rstrip().splitlines()
        for line in lines[:LINES]:
            out.print(printable(line))
        if len(lines) > LINES:
            out.print(f"[dim]… {len(lines) - LINES} more lines[/]")
        if done.returncode != (Exit.NOTHING if ends else Exit.OK):
            err.print(printable(done.stderr))
            self.wrong.append(f"`matricula {shlex.join(words)}` ended with {done.returncode}")

    def _ask(self, *words: str) -> Any:
        """What it tells machines."""
        return json.loads(self._run((*words, "--json")).stdout or "[]")

    def _run(self, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ops.cli.main", *words],
            env=dict(self._environment),
            capture_output=True,
            text=True,
            check=False,
        )


def _addresses() -> list[str]:
    """Of the newcomers, in order."""
    people = [event["data"] for event in read_lines(TROUBLE).events if event["type"].startswith("hr.employee.")]
    return [person["emails"][0] for person in people]
