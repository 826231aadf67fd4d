"""What employees see of the LMS in HR's own portal."""

from collections.abc import Mapping

from domain.integration import IntegrationSettings
from domain.scope import out_of_scope

_OUTSIDE = {
    "no_payroll": "the employee has no payroll",
    "payroll_not_selected": "the employee's payroll is not in scope",
}


def no_courses_because(
    *,
    status: str | None,
    payroll: str | None,
    settings: IntegrationSettings,
    enabled_payrolls: Mapping[tuple[str, str], bool],
) -> str | None:
    """
    Why an employee is shown no courses of an integration, in words; None when they are (R6).

    Args:
        status: HR's; None when HR has not told of the employee, or has erased them.
    """
    if "available_courses" not in settings.features:
        return "available_courses is not among the integration's features"
    if status is None:
        return "HR does not tell of the employee"
    if status == "terminated":
        return "the employee has left"
    outside = out_of_scope(payroll, enabled_payrolls=enabled_payrolls, settings=settings)
    return _OUTSIDE[outside] if outside else None
