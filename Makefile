# What is compiled is kept: tests start hundreds of processes, which would each compile it again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: quick check test test-others test-testbed simulate format demo testbed testbed-traffic testbed-down clean

# A minute: style, types, imports, unit tests and 300 simulated deployments. It needs Python 3.11, and no root.
quick:
	scripts/setup quick
	$(MAKE) --no-print-directory --jobs 2 --keep-going quick-types quick-tests

.PHONY: quick-types quick-tests
quick-types:
	.venv/bin/ruff check --quiet
	.venv/bin/ruff format --check --quiet
	.venv/bin/mypy
	.venv/bin/python -m tests.simulation 0-300 --workers 1

quick-tests:
	.venv/bin/lint-imports >.cache/imports 2>&1 || { cat .cache/imports; exit 1; }
	.venv/bin/pytest tests/unit -m "not ssh" -n 2 --dist worksteal --quiet -o cache_dir=.cache/pytest-quick

# Style, types, and that imports go down only.
check:
	scripts/setup quick
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

# All checks and all tests. Those of the testbed mostly wait, so they run beside the others.
# HAPROXY: the versions of HAProxy to test with, such as `system,3.2` or `all`.
HAPROXY =
test:
	scripts/setup dev
	$(MAKE) --no-print-directory --jobs 2 --keep-going test-testbed check test-others

# Those of the testbed, which mostly wait, come first where both want a processor.
test-others:
	scripts/setup dev
	nice -n 5 .venv/bin/pytest -n 5 --dist worksteal --ignore tests/testbed $(if $(HAPROXY),--haproxy $(HAPROXY))

# What breaks in mid-deploy, and the examples as they are written, in the testbed.
test-testbed:
	scripts/setup dev
	.venv/bin/pytest tests/testbed --quiet -o cache_dir=.cache/pytest-testbed

# So many deployments in virtual time, with anything breaking at any moment; a seed that fails is shown.
SEEDS = 20000
simulate:
	scripts/setup quick
	.venv/bin/python -m tests.simulation 0-$(SEEDS)

format:
	scripts/setup quick
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

# A release rolled over three nodes behind real HAProxy, under traffic.
demo:
	scripts/setup demo
	.venv/bin/rollout lab demo

# A small data centre in containers: see docs/testbed.md.
compose = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose) \
	-p rollout-testbed -f docker/compose.yml
status = .venv/bin/rollout status -i inventories/testbed.yml
testbed:
	@$(compose) version >/dev/null || \
		{ echo "needs docker compose. On Debian: sudo apt-get install docker-compose" >&2; exit 1; }
	scripts/setup testbed
	docker/base-image
	$(compose) build keys lb1 lb2
	$(compose) up -d
	@timeout 60 sh -c 'until [ "$$($(status) 2>&1 | grep -c "^  web. *ready")" = 6 ]; do sleep 1; done' \
		|| { $(status); exit 1; }
	@echo "The testbed is up. See what its users get:  make testbed-traffic"

# The last line of the traffic container, which sums up the requests of the users every five seconds.
testbed-traffic:
	@$(compose) logs --tail=1 traffic

testbed-down:
	$(compose) down --volumes

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@echo "Left: the testbed's keys in docker/keys, and what its tests build in ~/.cache/rollout/docker"
