"""The `matricula` command."""
