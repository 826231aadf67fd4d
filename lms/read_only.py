"""A gateway that looks and never writes."""

from collections.abc import Callable, Sequence
from typing import NoReturn, cast

from domain.lms import Completion, LmsGateway, LmsUser, Outcome, Pair, Standing, UnitGateway
from lms.look_ups import By


class WriteRefused(RuntimeError):
    """Something tried to write through a gateway that only reads: a bug, caught before anything was sent."""


class ReadOnly:
    """
    The look-ups of an LMS that planning and comparing need.

    Whatever is not named here is refused, so that a method which the port gains cannot write by way of this one.
    """

    def __init__(self, gateway: LmsGateway) -> None:
        self._gateway = gateway

    def find_users(self, by: By, values: Sequence[str]) -> Sequence[LmsUser]:
        """As the port has it."""
        return self._gateway.find_users(by, values)

    def completions(self, pairs: Sequence[Pair]) -> Sequence[Outcome[Completion | None]]:
        """As the port has it."""
        return self._gateway.completions(pairs)

    def standings(self, pairs: Sequence[Pair]) -> Sequence[Outcome[Standing | None]]:
        """As `domain.lms.UnitGateway` has it."""
        return cast("UnitGateway", self._gateway).standings(pairs)

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        def refuse(*_arguments: object, **_named: object) -> NoReturn:
            raise WriteRefused(f"{name} is not for looking")

        return refuse
