"""The routes by subject, each a thin skin over an act of ops or a view of db."""
