"""Whether a person belongs to an integration (R16-R18, R20). Out of scope is a state with a reason, not a failure."""

from collections.abc import Mapping

from domain.integration import IntegrationSettings


def out_of_scope(
    payroll: str | None, *, enabled_payrolls: Mapping[tuple[str, str], bool], settings: IntegrationSettings
) -> str | None:
    """
    Why a person of this payroll is out of scope, or None when in scope.

    Args:
        enabled_payrolls: (payroll, integration name) to HR's last word on it; an empty integration name stands for
            every integration that takes selected payrolls. The word for this very integration counts more.
    """
    if settings.payrolls == "all":
        return None
    if payroll is None:
        return "no_payroll"
    general = enabled_payrolls.get((payroll, ""), False)
    return None if enabled_payrolls.get((payroll, settings.name), general) else "payroll_not_selected"
