"""
The portal about itself: figures, custom fields, what is left of the hour.
"""

from __future__ import annotations

from typing import Any

from simulators.talentlms.calls import Call, action
from simulators.talentlms.state import CustomField
from simulators.talentlms.texts import escaped, moment


@action("siteinfo")
def site_info(call: Call) -> dict[str, Any]:
    """How much there is, and in which format dates are written; the time zone is not told."""
    state, found = call.state, call.state.found
    row: dict[str, Any] = {"total_users": str(len(found.ids("present"))), "total_courses": str(len(state.courses))}
    row |= {"total_categories": str(len(state.categories)), "total_groups": str(len(state.groups))}
    row |= {"total_branches": str(len(state.branches)), "monthly_active_users": len(found.ids("active"))}
    row |= {"signup_method": "email", "signup_type": "direct"}
    row |= {"verification": "email" if call.settings.verification else "none", "paypal_email": "", "domain_map": ""}
    limits = {"maximum_brances": max(1, len(state.branches))}  # their spelling
    return {**row, "date_format": call.settings.date_format, "limits": limits}


@action("ratelimit")
def rate_limit(call: Call) -> dict[str, Any]:
    """What is left of the hour; asking costs nothing."""
    remaining, ends = call.site.meter.hour(call.now, call.settings)
    row = {"limit": str(call.settings.calls_per_hour), "remaining": remaining, "reset": str(int(ends))}
    row |= {"remaining": str(remaining)} if call.settings.documented else {}
    return row | {"formatted_reset": moment(call.settings, ends, seconds=False)}


@action("getcustomregistrationfields")
def get_custom_registration_fields(call: Call) -> list[dict[str, Any]]:
    """The custom fields of people, in their order."""
    fields, rows = list(call.state.user_fields.values()), []
    for number, field in enumerate(fields):
        row = _field(call, field)
        row |= {"selective_availability": _yes(field.selective), "branch": None}
        row |= {"main_domain_availability": "yes" if field.selective else None}
        previous = fields[number - 1].key if number else None
        order = number + 1
        rows.append(row | {"previous_key": previous, "order": str(order) if call.settings.documented else order})
    return rows


@action("getcustomcoursefields")
def get_custom_course_fields(call: Call) -> list[dict[str, Any]]:
    """The custom fields of courses, in their order."""
    return [_field(call, field) for field in call.state.course_fields.values()]


def _field(call: Call, field: CustomField) -> dict[str, Any]:
    options: str | None = ";".join(field.options)
    options = None if call.settings.documented and not options else options
    row = {"key": field.key, "type": field.type, "name": escaped(field.name), "mandatory": _yes(field.mandatory)}
    return {**row, "visible_on_reports": _yes(field.on_reports), "dropdown_values": options, "checkbox_status": "off"}


def _yes(value: bool) -> str:
    return "yes" if value else "no"
