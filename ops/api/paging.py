"""Lists a page at a time: the cursor says where the page before ended, and means nothing to anybody else."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from ops.api.problems import Trouble

T = TypeVar("T")

MOST = 200
DEEPEST = 100_000

Limit = Annotated[int, Query(ge=1, le=MOST, description="How many at most.")]
Cursor = Annotated[str | None, Query(max_length=1000, description="`next` of the page before.")]


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next: str | None = Field(None, description="The cursor of the next page; null on the last.")


def page(found: Sequence[T], limit: int, place: Callable[[T], Sequence[Any]]) -> Page[T]:
    """
    The page of what was found.

    Args:
        found: One more than `limit`, where there are more.
        place: What the list is ordered by.
    """
    items = list(found[:limit])
    more = len(found) > limit
    return Page(items=items, next=_written(place(items[-1])) if more else None)


def slice_of(everything: Sequence[T], limit: int, cursor: str | None) -> Page[T]:
    """A page of a list that is short enough to be read whole."""
    (start,) = read(cursor, int) or (0,)
    return page(everything[start : start + limit + 1], limit, lambda _: [start + limit])


def reach(limit: int, cursor: str | None) -> int:
    """How many of a list have to be read for the page of `slice_of`, and to see whether there are more."""
    (start,) = read(cursor, int) or (0,)
    return min(start, DEEPEST) + limit + 1


def read(cursor: str | None, *kinds: type) -> list[Any] | None:
    """
    Where the page before ended; None before the first.

    Raises:
        Trouble: It is none of ours.
    """
    if cursor is None:
        return None
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except (ValueError, binascii.Error, RecursionError):
        place = None
    if not isinstance(place, list) or [type(part) for part in place] != list(kinds) or _huge(place):
        raise Trouble(422, "bad_cursor", "The cursor is none of ours", errors=[("query.cursor", "is not a `next`")])
    return place


def _huge(place: list[Any]) -> bool:
    return any(isinstance(part, int) and not 0 <= part < 2**62 for part in place)


def _written(place: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(place), default=str).encode()).decode()
