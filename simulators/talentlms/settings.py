"""
The settings of a portal, and the points that the contract leaves open, each a switch.
"""

from __future__ import annotations

from dataclasses import dataclass

DATE_FORMATS = {"DDMMYYYY": "%d/%m/%Y", "MMDDYYYY": "%m/%d/%Y", "YYYYMMDD": "%Y/%m/%d"}


@dataclass(frozen=True)
class Settings:
    """
    One portal as its administrator and its plan have it.

    `user_limit` counts active users. `page_size` is how long a page of `users` is when the caller does not say: None
    is everybody, 20 is what newer sources report. A new account starts inactive with `verification`.
    """

    url: str = "https://example.talentlms.com"
    timezone: str = "Australia/Sydney"
    user_timezone: str = "(GMT +10:00) Canberra, Melbourne, Sydney, Australia"
    date_format: str = "DDMMYYYY"
    twelve_hours: bool = False
    api: bool = True
    verification: bool = False
    strong_passwords: bool = True
    user_limit: int | None = None
    calls_per_hour: int = 2000
    burst_calls: int = 200
    burst_seconds: float = 5.0
    page_size: int | None = None

    documented: bool = False
    """Answer as the documentation says where it and the answers seen in the wild differ."""
    pages_every_list: bool = False
    """Courses, categories, groups and branches come in pages too."""
    plus_is_space: bool = True
    """A plus sign in the path is read as a blank, as in a form."""
    encoded_at_misses: bool = True
    """An at sign that comes percent-encoded in the path is not decoded."""
    limited_html: bool = False
    """The front proxy answers calls over the limit, not the API."""
    deleted_keep_marks: bool = True
    """The login and address of somebody deleted, but not for good, stay taken."""
    plain_logins: bool = False
    """Logins are letters, digits, and . _ - @ only."""
    refuses_inactive: bool = False
    """Neither inactive people nor inactive courses can be enrolled."""
    progress_moves_last_updated: bool = False
    """A person's `last_updated` moves when they learn."""

    def __post_init__(self) -> None:
        if self.date_format not in DATE_FORMATS:
            raise ValueError(f"date_format must be one of {sorted(DATE_FORMATS)}, not {self.date_format!r}")
