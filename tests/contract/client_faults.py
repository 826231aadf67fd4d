"""What the tests of faults share: one user to make, and what became of it."""

import socket
from typing import Any

from domain.errors import ProvisioningError
from domain.lms import Failed, NewUser, Outcome
from lms.moodle import MoodleGateway
from simulators.moodle import MoodleSite

CREATE, UPDATE, ENROL = "core_user_create_users", "core_user_update_users", "enrol_manual_enrol_users"
LOOK_UP = "core_user_get_users_by_field"
ANN = NewUser("ann.lee", "ann.lee@example.org", "Ann", "Lee-Canary", "E-1", password="Invented-1!")
JSON_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def created(gateway: MoodleGateway) -> ProvisioningError:
    [outcome] = gateway.create_users([ANN])
    assert isinstance(outcome, Failed)
    return outcome.failure


def kind(failure: ProvisioningError) -> tuple[type[ProvisioningError], str]:
    return type(failure), failure.code


def accounts(site: MoodleSite) -> int:
    return len(site.ledger.effects("user created"))


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def failure_of(outcome: Outcome[Any]) -> ProvisioningError:
    assert isinstance(outcome, Failed)
    return outcome.failure
