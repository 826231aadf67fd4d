"""`matricula metrics`: the figures for Prometheus."""

import sys

from ops import metrics
from ops.cli.output import told
from ops.cli.session import opened


def show_metrics() -> None:
    """Print every metric of docs/metrics.md in the text format of Prometheus."""
    with told(), opened(metrics.READ) as (_, pool):
        sys.stdout.write(metrics.exposition(pool))
