"""
The HTTP API `/api/v1`, process `console`: the acts of ops and the views of db over HTTP, without powers of its own.

`python -m ops.api`; `ops.api.app` puts it together, and `ops.api.guard` is the way into every route.
"""
