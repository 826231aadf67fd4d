"""`matricula doctor`: is this installation able to do its work?"""

import os
from typing import Annotated

import typer

from domain.checks import gaps
from domain.support import Support
from ops.actions import Refused
from ops.cli.integration import show_checks
from ops.cli.output import Exit, told
from ops.doctor import examine
from runtime.settings import survey

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]


def doctor(as_json: Json = False) -> None:
    """Examine database, broker, keys, clocks and processes: a line each, with what to do. Nothing is changed."""
    with told():
        if os.environ.get("MATRICULA_API_TOKEN"):
            raise Refused("a token acts for one company; unset MATRICULA_API_TOKEN to examine the whole installation")
        checks = examine(*survey(os.environ))
    show_checks(checks, Support(), as_json=as_json)
    if gaps(checks):
        raise typer.Exit(Exit.ERROR)
