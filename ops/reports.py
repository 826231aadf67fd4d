"""Reports over what came back from the LMS."""

from db.configuration import integrations
from db.console_views import ReportFilter, ReportLine, Views
from db.pool import Pool, transaction
from domain.integration import IntegrationSettings
from ops.actions import Refused


def result_report(pool: Pool, tenant: str | None, wanted: ReportFilter) -> list[ReportLine]:
    """
    Results counted by course, payroll or day (R10), of the integrations that have this report.

    Raises:
        Refused: None of those asked for has it.
    """
    with transaction(pool) as db:
        asked = integrations(db, tenant, wanted.integration, removed=True)
        if not any("result_report" in IntegrationSettings.model_validate(row.settings).features for row in asked):
            raise Refused(
                "the report is not switched on: add result_report to `features` in the settings; it is billed"
            )
        return Views(db, tenant).result_report(wanted)
