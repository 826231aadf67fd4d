"""
The table that the baseline stores into.
"""

MESSAGES = """
    create table message (
        message_id text primary key, body bytea not null, received_at timestamptz not null default clock_timestamp()
    )
"""
