"""
What the integration tests share.
"""

from collections.abc import Iterator

import pytest

from db.pool import Pool, open_pool


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    """
    Connections to this test's own database.
    """
    with open_pool(database_url, name="test", max_size=4) as opened:
        yield opened
