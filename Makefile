.PHONY: demo lab lab-down test test-lab test-others check format simulate clean

# A release rolled over three nodes behind real HAProxy, under traffic.
demo:
	scripts/setup demo
	.venv/bin/rollout lab demo

# A small data centre in containers: see docs/lab.md.
compose = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose) -f docker/compose.yml
lab:
	scripts/setup lab
	docker/base-image
	$(compose) build keys lb1 lb2
	$(compose) up -d
	@echo "It runs. What its users get:  $(compose) logs -f traffic"

lab-down:
	$(compose) down --volumes

# All checks and all tests. Those of the lab in containers mostly wait, so they run beside the others.
test: check
	$(MAKE) --no-print-directory --jobs 2 --keep-going test-others test-lab

# What breaks in mid-deploy, and the examples as they are written, in the lab in containers.
test-lab:
	scripts/setup dev
	.venv/bin/pytest tests/docker --quiet -o cache_dir=.cache/pytest-lab

test-others:
	.venv/bin/pytest -n 4 --dist worksteal --ignore tests/docker

# So many deployments in virtual time, with anything breaking at any moment; a seed that fails is shown.
SEEDS = 20000
simulate:
	scripts/setup dev
	.venv/bin/python -m tests.simulation 0-$(SEEDS)

# Style, types, and that imports go down only.
check:
	scripts/setup dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

format:
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
