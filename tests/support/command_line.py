"""
`matricula integration` as a shell would run it, with the settings files it takes.
"""

import json
from pathlib import Path
from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from ops.cli.main import app
from runtime.secrets import new_key
from tests.support.builders import MOODLE, TENANT, results
from tests.support.workbench import TOKEN

NOWHERE = "amqp://127.0.0.1:9/"
NEED_REASON = {"edit", "pause", "remove", "outcomes", "map"}
REASON = ("--reason", "asked to")


class Cli:
    """Runs commands for one integration with the LMS at a URL, with a reason where one is needed."""

    def __init__(self, folder: Path, url: str, database_url: str, amqp_url: str = NOWHERE) -> None:
        self.environment = {
            "DATABASE_URL": database_url,
            "AMQP_URL": amqp_url,
            "MATRICULA_KEY": new_key(),
            "MATRICULA_ALLOW_PRIVATE_LMS": "1",
            "MATRICULA_TOKEN": TOKEN,
        }
        self._folder = folder
        self._url = url

    def __call__(self, *arguments: str, given: str | None = None, **environment: str) -> Result:
        reason = REASON if NEED_REASON & {*arguments[:2]} and "--reason" not in arguments else ()
        return CliRunner().invoke(
            app, ["integration", *arguments, *reason], input=given, env={**self.environment, **environment}
        )

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json").stdout)

    def file(self, **changes: Any) -> str:
        path = self._folder / "settings.json"
        path.write_text(json.dumps({"name": MOODLE, "url": self._url, "results": results(), **changes}))
        return str(path)

    def add(self, *more: str, **changes: Any) -> Result:
        return self("add", self.file(**changes), "--tenant", TENANT, *more)

    def state(self) -> str:
        return str(self.json("show", MOODLE)["state"])
