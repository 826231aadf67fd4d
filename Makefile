.DEFAULT_GOAL := help
PY := .venv/bin/python
WITH_SERVICES := $(PY) -m deploy.services --
.PHONY: help install env demo test check bench lock

help:  ## Show what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install:  ## Make .venv with the locked requirements (done by the others when needed)
	@deploy/bootstrap.sh

env:  ## Make .env with fresh secrets for docker compose
	@deploy/env.sh

demo: install  ## Run a whole installation on simulated HR, Moodles and TalentLMS, and check the outcome
	@$(WITH_SERVICES) $(PY) -m ops.demo

test: install  ## Run all tests against real RabbitMQ and PostgreSQL
	@$(PY) -m pytest -n 3 --dist loadfile $(TESTS)

check: install  ## Check style, types and import rules, exactly as CI does
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

bench: install  ## Measure against baselines in the same run; writes benchmarks/results.json
	@$(WITH_SERVICES) $(PY) -m benchmarks

lock:  ## Renew the lock files from pyproject.toml
	@.venv/bin/python -m pip install --quiet uv
	@.venv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --quiet -o requirements.lock
	@.venv/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --quiet -o requirements-dev.lock
