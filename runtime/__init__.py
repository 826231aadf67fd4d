"""What every process needs to run: settings, logs, topology, clock, secrets, crash points. Imports nothing of ours."""
