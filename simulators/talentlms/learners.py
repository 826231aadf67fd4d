"""
Simulated learners of a portal, and the people who teach and administer there.

    learners = TalentLearners(site)
    learners.complete_unit("ann", "C001", "C001-1", score=90)    # a unit by its id or by the code its name begins with
    learners.grade("ann", "C001", "C001-3", 55)                  # again: no figure of the course moves
    learners.finish("ann", "C001")
    learners.change("ann", email="ann@elsewhere.example")        # by hand, in the portal's pages
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from simulators.talentlms.membership import bring_back, remove_user
from simulators.talentlms.progress import end_course, reset, set_unit
from simulators.talentlms.site import TalentSite
from simulators.talentlms.state import Course, Enrolment, Unit, UnitProgress, User
from simulators.talentlms.timeline import enter

Wanted = str | int
VISIT = 60


class TalentLearners:
    """
    The people of one portal.

    A person is named by id, login or address, a course by id or code, a unit by id or the code its name begins with.
    `at` is now by default; `seconds` is the time it took.
    """

    def __init__(self, site: TalentSite) -> None:
        self._site = site

    def visit(self, user: Wanted, course: Wanted, unit: Wanted, seconds: int = VISIT, at: float | None = None) -> None:
        """Spend time in a unit, which is then in progress unless it has ended."""
        self._move(user, course, unit, at, seconds)

    def answer(self, user: Wanted, course: Wanted, unit: Wanted, at: float | None = None) -> None:
        """Hand in an assignment; it waits for its grade."""
        self._move(user, course, unit, at, VISIT)
        with self._site.lock:
            held, _ = self._place(user, course)
            state, lesson = self._site.state, self._unit(held, unit)
            enter(state, "unitprogress_assignment_answered", self._user(user), self._at(at), held, lesson)
            self._site.commit()

    def complete_unit(
        self,
        user: Wanted,
        course: Wanted,
        unit: Wanted,
        score: float | None = None,
        at: float | None = None,
        seconds: int = VISIT,
        questions: Iterable[dict[str, Any]] = (),
    ) -> None:
        """Complete a unit; the last one completes the course."""
        done: dict[str, Any] = {"state": "Completed", "score": score}
        self._move(user, course, unit, at, seconds, **done, questions=tuple(questions))

    def grade(
        self, user: Wanted, course: Wanted, unit: Wanted, score: float, passed: bool = True, at: float | None = None
    ) -> None:
        """Grade or grade again; a unit that was and stays passed leaves every figure of the course alone."""
        self._move(user, course, unit, at, 0, state="Completed" if passed else "Failed", score=score)

    def reopen(self, user: Wanted, course: Wanted, unit: Wanted, at: float | None = None) -> None:
        """Make a unit one to be done again; a course that was complete is so no longer."""
        self._move(user, course, unit, at, 0, state="In progress", score=None)

    def finish(self, user: Wanted, course: Wanted, score: float | None = None, at: float | None = None) -> None:
        """Complete what is left of a course; tests and assignments get the score."""
        with self._site.lock:
            held, enrolment = self._place(user, course)
            open_units = [unit for unit in held.lessons if _state(enrolment, unit) != "Completed"]
            for unit in open_units:
                graded = score if unit.type in ("Test", "Assignment") else None
                self.complete_unit(user, course, unit.id, score=graded, at=at)
            if not held.lessons and enrolment.completed is None:
                end_course(self._site.state, enrolment, self._at(at))
                self._site.commit()

    def fail(self, user: Wanted, course: Wanted, at: float | None = None) -> None:
        """End a course without passing it."""
        with self._site.lock:
            end_course(self._site.state, self._place(user, course)[1], self._at(at), failed=True)
            self._site.commit()

    def finish_all(self, fraction: float, seed: int = 0, at: float | None = None) -> list[tuple[str, str]]:
        """Finish a share of the open enrolments; returns (login, course code) pairs."""
        chance, finished = random.Random(seed), []
        with self._site.lock:
            for user, course in self._open():
                if chance.random() < fraction:
                    self.finish(user.id, course.id, score=float(chance.randint(50, 100)), at=at)
                    finished.append((user.login, course.code))
        return finished

    def reset(self, user: Wanted, course: Wanted, at: float | None = None) -> None:
        """Let a person start a course again, by hand."""
        with self._site.lock:
            reset(self._site.state, self._place(user, course)[1], self._at(at))
            self._site.commit()

    def change(self, user: Wanted, **changes: Any) -> None:
        """Change an account by hand, as an administrator would in the pages."""
        with self._site.lock:
            self._site.state.change_user(self._user(user), **changes, updated=self._site.clock())
            self._site.commit()

    def delete(self, user: Wanted, permanent: bool = False) -> None:
        """Delete an account by hand; unless for good, it can come back."""
        with self._site.lock:
            remove_user(self._site.state, self._user(user), self._site.clock(), permanent)
            self._site.commit()

    def undelete(self, user: Wanted) -> None:
        """Bring a deleted account back, which only the portal's pages can."""
        with self._site.lock:
            bring_back(self._site.state, self._user(user), self._site.clock())
            self._site.commit()

    def _move(self, user: Wanted, course: Wanted, unit: Wanted, at: float | None, seconds: int, **changes: Any) -> None:
        site, now = self._site, self._at(at)
        with site.lock:
            held, enrolment = self._place(user, course)
            lesson = self._unit(held, unit)
            before = enrolment.units.get(lesson.id, UnitProgress())
            changes = {"state": before.state, **changes, "seconds": before.seconds + seconds}
            set_unit(site.state, enrolment, lesson, now, **changes)
            if site.settings.progress_moves_last_updated:
                site.state.change_user(self._user(user), updated=now)
            site.commit()

    def _at(self, at: float | None) -> float:
        return self._site.clock() if at is None else at

    def _open(self) -> list[tuple[User, Course]]:
        state = self._site.state
        pairs = [enrolment for members in state.members.values() for enrolment in members.values()]
        waiting = (e for e in pairs if e.role == "learner" and e.completed is None)
        return [(state.users[e.user], state.courses[e.course]) for e in waiting]

    def _place(self, user: Wanted, course: Wanted) -> tuple[Course, Enrolment]:
        person, held = self._user(user), self._course(course)
        enrolment = self._site.state.enrolment(person.id, held.id)
        if enrolment is None:
            raise LookupError(f"user {person.id} is not enrolled in course {held.id}")
        return held, enrolment

    def _user(self, wanted: Wanted) -> User:
        found = self._site.state.found
        if isinstance(wanted, str):
            wanted = _only(found.ids("login", wanted.lower()) or found.ids("email", wanted.lower()), wanted)
        return self._site.state.users[wanted]

    def _course(self, wanted: Wanted) -> Course:
        if isinstance(wanted, str):
            wanted = _only(self._site.state.found.ids("course code", wanted), wanted)
        return self._site.state.courses[wanted]

    def _unit(self, course: Course, wanted: Wanted) -> Unit:
        return next(unit for unit in course.lessons if wanted in (unit.id, unit.code))


def _state(enrolment: Enrolment, unit: Unit) -> str:
    progress = enrolment.units.get(unit.id)
    return progress.state if progress else ""


def _only(ids: Iterable[int], wanted: str) -> int:
    found = list(ids)
    if len(found) != 1:
        raise LookupError(f"{len(found)} are called {wanted!r}")
    return found[0]
