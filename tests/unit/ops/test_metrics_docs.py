"""The page of metrics is made from their table."""

from db.statements import statements
from ops.metrics import FILE, METRICS, document


def test_the_page_lists_every_metric_as_it_is() -> None:
    """Change a metric and run `python -m ops.metrics`."""
    assert FILE.read_text(encoding="utf-8") == document()


def test_every_metric_is_named_and_described_as_prometheus_expects() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.name.startswith("matricula_")
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.name.endswith("_seconds") == (metric.unit == "seconds")
        assert metric.meaning.endswith(".")


def test_every_statement_is_a_metrics() -> None:
    assert sorted(metric.lines for metric in METRICS) == sorted(statements("metrics"))
