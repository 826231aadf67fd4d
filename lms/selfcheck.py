"""
The self-check of one site: every fact that must hold is asked for by harmless calls and becomes one line.

What a site cannot tell apart is said so in the line. Nothing is written: what would write is aimed at nobody.
"""

from typing import Any

from lms.addresses import Resolver, resolve
from lms.looking import Findings, Look, Subject
from lms.moodle_selfcheck import MoodleLook
from lms.talentlms_selfcheck import PortalLook

__all__ = ["Findings", "Subject", "self_check"]

LOOKS: dict[str, type[Look[Any]]] = {"moodle": MoodleLook, "talentlms": PortalLook}


def self_check(subject: Subject[Any], *, allow_private: bool, resolver: Resolver = resolve) -> Findings:
    """Every line about the subject's kind of LMS; those that were not reached say why."""
    return LOOKS[subject.settings.lms](subject, allow_private, resolver).findings()
