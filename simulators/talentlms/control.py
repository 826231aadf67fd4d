"""
The control of a running simulated portal, besides what every simulator has.

    POST unit {user, course, unit, score?, at?, seconds?}              finish-course {user, course, score?, at?}
    POST grade {user, course, unit, score, passed?, at?}               reopen {user, course, unit, at?}
    POST reset {user, course, at?}                                     finish {fraction, seed?}
    POST users [..]            users/change {user, ..}                 users/delete {user, permanent?}
    POST courses [..]          groups [..]                             enrol [..]
    POST key {key}             (another API key from now on)
"""

from __future__ import annotations

from simulators.control import Control
from simulators.talentlms.build import add_course, add_group, add_user, enrol
from simulators.talentlms.learners import TalentLearners
from simulators.talentlms.site import TalentSite


class TalentControl(Control):
    """Answers control requests for one portal."""

    def __init__(self, site: TalentSite) -> None:
        learners = TalentLearners(site)
        super().__init__(
            site,
            {
                "unit": lambda body: learners.complete_unit(**body),
                "grade": lambda body: learners.grade(**body),
                "reopen": lambda body: learners.reopen(**body),
                "reset": lambda body: learners.reset(**body),
                "finish-course": lambda body: learners.finish(**body),
                "finish": lambda body: learners.finish_all(**body),
                "users": lambda body: [add_user(site, **fields).id for fields in body],
                "users/change": lambda body: learners.change(**body),
                "users/delete": lambda body: learners.delete(**body),
                "courses": lambda body: [add_course(site, seed).id for seed in body],
                "groups": lambda body: [add_group(site, **fields).id for fields in body],
                "enrol": lambda body: [enrol(site, **fields) and None for fields in body],
                "key": lambda body: setattr(site, "key", body["key"]),
            },
        )
