"""
The integration that most people write: a stock Dramatiq message per person, worked on call by call.

`python -m dramatiq benchmarks.baselines.per_person` works; `python -m benchmarks.baselines.per_person` sends a message
for each hire it reads as JSON, and prints when it began.
"""

import json
import os
import sys
import time
from functools import cache
from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from benchmarks.baselines.moodle import Moodle

broker = RabbitmqBroker(url=os.environ["AMQP_URL"], confirm_delivery=True)
dramatiq.set_broker(broker)


@cache
def moodle() -> Moodle:
    return Moodle(os.environ["BENCH_MOODLE"], os.environ["BENCH_TOKEN"])


@dramatiq.actor
def hire(user: dict[str, Any], enrolment: dict[str, Any]) -> None:
    """Look up, create, enrol."""
    found = moodle().call("core_user_get_users_by_field", **{"field": "idnumber", "values[0]": user["idnumber"]})
    user_id = found[0]["id"] if found else moodle().create([user])[0]
    moodle().enrol([{**enrolment, "userid": user_id}])


if __name__ == "__main__":
    hires = json.load(sys.stdin)
    print(time.time(), flush=True)
    for user, enrolment in hires:
        hire.send(user, enrolment)
