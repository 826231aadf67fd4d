"""The record: schema, all SQL and all psycopg. Imports domain and runtime."""
