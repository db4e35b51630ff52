.PHONY: demo testbed testbed-traffic testbed-down test test-testbed test-others check format simulate clean

# A release rolled over three nodes behind real HAProxy, under traffic.
demo:
	scripts/setup demo
	.venv/bin/rollout lab demo

# A small data centre in containers: see docs/testbed.md.
compose = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose) \
	-p rollout-lab -f docker/compose.yml
status = .venv/bin/rollout status -i inventories/testbed.yml
testbed:
	@$(compose) version >/dev/null || \
		{ echo "needs docker compose. On Debian: sudo apt-get install docker-compose" >&2; exit 1; }
	scripts/setup lab
	docker/base-image
	$(compose) build keys lb1 lb2
	$(compose) up -d
	@timeout 60 sh -c 'until [ "$$($(status) 2>&1 | grep -c "^  web. *ready")" = 6 ]; do sleep 1; done' \
		|| { $(status); exit 1; }
	@echo "It runs. What its users get:  make testbed-traffic"

# What its users got so far: the traffic container's last line, of one each five seconds.
testbed-traffic:
	@$(compose) logs --tail=1 traffic

testbed-down:
	$(compose) down --volumes

# All checks and all tests. Those of the lab in containers mostly wait, so they run beside the others.
test: check
	$(MAKE) --no-print-directory --jobs 2 --keep-going test-others test-testbed

# What breaks in mid-deploy, and the examples as they are written, in the lab in containers.
test-testbed:
	scripts/setup dev
	.venv/bin/pytest tests/testbed --quiet -o cache_dir=.cache/pytest-testbed

test-others:
	.venv/bin/pytest -n 3 --dist worksteal --ignore tests/testbed

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
	@echo "Left: the lab's keys in docker/keys, and what its tests build in ~/.cache/rollout/docker"
