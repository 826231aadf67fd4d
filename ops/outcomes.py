"""HR's result pick-list, as far as an integration uses it."""

from collections.abc import Mapping

from db.configuration import IntegrationRow
from db.pool import Pool
from domain.integration import IntegrationSettings, Results
from ops import life
from ops.actions import Refused
from ops.operators import Operator
from runtime.settings import Settings


def choose_outcomes(
    pool: Pool,
    settings: Settings,
    integration: IntegrationRow,
    *,
    by: Operator,
    added: Mapping[str, str],
    passed: str | None = None,
    failed: str | None = None,
) -> Results:
    """
    The pick-list has these items more, and these stand for a pass and a fail (R24 to R26), in a new version.

    Args:
        added: Label by code.
        passed, failed: Code of an item; None leaves the choice as it is.

    Raises:
        Refused: An item is there already, or the one chosen is not.
        ValidationError: Pass and fail would be the same.
    """
    held = IntegrationSettings.model_validate(integration.settings)
    wanted = held.model_dump(mode="json")
    results = wanted["results"]
    known = [item.code for item in held.results.outcomes]
    twice = [code for code in added if code in known]
    if twice:
        raise Refused(f"the pick-list has {', '.join(twice)} already")
    unknown = [code for code in (passed, failed) if code and code not in (*known, *added)]
    if unknown:
        raise Refused(f"the pick-list has no {', '.join(unknown)}; add it with --add CODE=LABEL")
    results["outcomes"] += [{"code": code, "label": label} for code, label in added.items()]
    results["pass_outcome"] = passed or results["pass_outcome"]
    results["fail_outcome"] = failed or results["fail_outcome"]
    changed = IntegrationSettings.model_validate(wanted)
    life.edit(pool, settings, integration, changed, by=by)
    return changed.results
