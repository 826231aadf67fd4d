"""Every failure code as a page of the runbook: `python -m ops.runbook` writes docs/runbook.md anew."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from domain.failure_catalogue import CATALOGUE, Failure

FILE = Path(__file__).parents[1] / "docs" / "runbook.md"
_HEAD = """# Runbook

One section per failure code: what is seen, why, who can act, what to do, and the commands to copy. Begin with
`matricula status`, which names the code that comes first, or with `matricula why PERSON` when somebody asks about one
person. What fails for a while and is tried again by itself is no failure and is in none of these lists.

This page is made from the catalogue of failures: `python -m ops.runbook`.
"""
_WHO = {
    "HR data": "HR corrects one person's or one course's record; its next event heals the failure",
    "HR configuration": "whoever looks after the integration's settings here",
    "LMS": "the LMS's administrator",
    "IT": "whoever runs the servers, the broker, the database or the network",
    "product": "us: it is a defect, or a duty of the publisher that we explain",
}


def document() -> str:
    """The page."""
    return _HEAD + "".join(_sections())


def _sections() -> Iterator[str]:
    for owner, failures in groupby(sorted(CATALOGUE.values(), key=_by_owner), key=lambda failure: failure.owner):
        yield f"\n## {owner}\n\nWho acts: {_WHO[owner]}.\n"
        yield from map(_section, failures)


def _by_owner(failure: Failure) -> tuple[int, str]:
    return list(_WHO).index(failure.owner), failure.code


def _section(failure: Failure) -> str:
    return (
        f"\n### `{failure.code}`: {failure.title}\n\n"
        f"- Symptom: {failure.symptom}\n- Cause: {failure.cause}\n- Owner: {failure.owner}\n- Fix: {failure.fix}\n\n"
        f"```\nmatricula failures groups --code {failure.code}\nmatricula failures list --code {failure.code}\n"
        f"matricula replay preview --code {failure.code} --integration NAME\n```\n"
    )


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
