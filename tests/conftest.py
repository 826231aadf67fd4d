"""
One PostgreSQL and one RabbitMQ per run; a database and a virtual host per test.

Parallel workers share the pair of the controller. Where neither can be had, tests that need them fail;
MATRICULA_SKIP_WITHOUT_SERVICES=1 skips them instead, for a quick look on a machine without.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, NoReturn

import pytest

import deploy.services
from deploy.server import ServiceError
from deploy.services import Services
from tests.support.broker import new_vhost
from tests.support.database import new_database, template_database
from tests.support.recordings import pytest_terminal_summary

__all__ = ["pytest_terminal_summary"]

SHARED = pytest.StashKey[dict[str, str] | str]()
WITHOUT_SERVICES = ("tests/unit", "tests/contract", "tests/architecture")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """
    Give a parallel worker the services of the controller, which starts them before its first worker.

    Only a hint: a worker that gets none and needs some starts its own.
    """
    if not all(str(argument).startswith(WITHOUT_SERVICES) for argument in node.config.args):
        node.workerinput["services"] = _shared(node.config)


def _shared(config: pytest.Config) -> dict[str, str] | str:
    """
    The environment that leads to the services, or why there are none.
    """
    if SHARED not in config.stash:
        stack = ExitStack()
        config.add_cleanup(stack.close)
        try:
            config.stash[SHARED] = stack.enter_context(deploy.services.services()).environment()
        except ServiceError as error:
            config.stash[SHARED] = str(error)
    return config.stash[SHARED]


@pytest.fixture(scope="session")
def services(request: pytest.FixtureRequest) -> Iterator[Services]:
    """
    The PostgreSQL and RabbitMQ of this run. Parallel workers share them: tests that crash take the others.
    """
    handed = getattr(request.config, "workerinput", {}).get("services", os.environ)
    if isinstance(handed, str):
        _do_without(handed)
    yield from _found(handed)


@pytest.fixture(scope="session")
def crashable_services(services: Services) -> Iterator[Services]:
    """
    A pair for this process alone, whatever was given, to be crashed at will and left running.
    """
    if "given" not in (services.database.how, services.broker.how):
        yield services
        return
    way = {name: value for name, value in os.environ.items() if name == deploy.services.WAY}
    yield from _found(way)


def _found(environ: Mapping[str, str]) -> Iterator[Services]:
    with ExitStack() as stack:
        try:
            found = stack.enter_context(deploy.services.services(environ))
        except ServiceError as error:
            _do_without(str(error))
        yield found


def _do_without(reason: str) -> NoReturn:
    if os.environ.get("MATRICULA_SKIP_WITHOUT_SERVICES") == "1":
        pytest.skip(reason)
    pytest.fail(
        f"{reason}\nTo skip the tests that need services, set MATRICULA_SKIP_WITHOUT_SERVICES=1.", pytrace=False
    )


@pytest.fixture(scope="session")
def schema_template(services: Services) -> Iterator[str]:
    """
    The name of a database that holds db/schema.sql and can be copied.
    """
    with template_database(services.database_url) as name:
        yield name


@pytest.fixture
def database_url(services: Services, schema_template: str) -> Iterator[str]:
    """
    A new database with the schema and no rows.
    """
    with new_database(services.database_url, schema_template) as url:
        yield url


@pytest.fixture
def amqp_url(services: Services) -> Iterator[str]:
    """
    A new virtual host; the given one when the broker was given without its HTTP API.
    """
    with new_vhost(services.amqp_url, services.management_url) as url:
        yield url
