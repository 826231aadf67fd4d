"""What every command begins with."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from db.pool import Pool, open_pool
from runtime.settings import Settings, read_settings


@contextmanager
def opened() -> Iterator[tuple[Settings, Pool]]:
    """Settings and a pool for one command."""
    settings = read_settings(os.environ)
    with open_pool(settings.database_url, name="cli", max_size=2) as pool:
        yield settings, pool
