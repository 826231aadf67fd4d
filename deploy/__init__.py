"""
Where the services come from, and what a bare machine needs.

Runs before anything is installed and around everything else, so it imports the standard library only. The one exception
is testcontainers, imported by deploy.docker when a Docker engine answers. It imports nothing else of this repository.
"""
