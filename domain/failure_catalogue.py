"""Placeholder while the catalogue is written."""
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    code: str
    title: str
    symptom: str
    cause: str
    owner: str
    fix: str


def describe(code: str) -> Failure:
    return Failure(code, code, "", "", "product", "")
