"""
A virtual host per test, made and removed through RabbitMQ's HTTP API.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import httpx


@contextmanager
def new_vhost(amqp_url: str, management_url: str | None) -> Iterator[str]:
    """
    A virtual host that nobody else uses; yields its AMQP URL and removes it with its queues and connections.

    Without the HTTP API the one in `amqp_url` is yielded as it is: nothing separates one test's queues from the next
    one's then, so give such a broker only to a run of few tests, and give it an empty virtual host.
    """
    if management_url is None:
        yield amqp_url
        return
    place = urlsplit(amqp_url)
    name = f"matricula-test-{secrets.token_hex(6)}"
    user = quote(unquote(place.username or "guest"), safe="")
    with httpx.Client(base_url=management_url, timeout=30) as api:
        api.put(f"/api/vhosts/{name}").raise_for_status()
        try:
            everything = {"configure": ".*", "write": ".*", "read": ".*"}
            api.put(f"/api/permissions/{name}/{user}", json=everything).raise_for_status()
            yield urlunsplit(place._replace(path=f"/{name}"))
        finally:
            api.delete(f"/api/vhosts/{name}").raise_for_status()
