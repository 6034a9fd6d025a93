# Every target makes its own virtual environment when there is none: uv if present, else the standard library's venv.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
SECONDS ?= 60
INPUTS ?= 1000000
INSTALLED := $(VENV)/.installed

.PHONY: demo test slow fuzz faults test-lowest jaeger chromium registry lint audit bench bench-rivals soak memory users names accuracy batching scaling lock clean

demo: $(INSTALLED)
	$(BIN)/locust-kafka demo --locustfile locustfiles/closed.py --seconds $(SECONDS) $(if $(WEB),--web)

# Most tests wait for what other processes do: two rooms at a time, each with a Kafka of its own, take half the time.
test: jaeger chromium registry
	$(BIN)/pytest -n 2 --dist loadfile

# Every fault on a real cluster: what the tester says of it, and what both topics prove.
faults: $(INSTALLED)
	$(BIN)/python -m tests.faults

# Tests that take minutes each.
slow: jaeger chromium
	$(BIN)/pytest -m slow

# Bad input, a million of it, on every parser that reads from outside; exits with 1 on a finding, and prints its input.
fuzz: $(INSTALLED)
	$(BIN)/python -m tests.fuzz --inputs $(INPUTS)

# The same load in batches of four kinds: what it does to every leg, as a picture.
batching: $(INSTALLED)
	$(BIN)/locust-kafka batching --locustfile locustfiles/batching.py --picture locustfiles/batching.svg

# A service that is scaled from one instance to three and back: what lag and rebalances do to the latency.
scaling: $(INSTALLED)
	$(BIN)/locust-kafka scaling --locustfile locustfiles/open.py --report scaling

# The tests' real Jaeger: built once, with Go, into the user's cache.
jaeger: $(INSTALLED)
	$(BIN)/python -m tests.jaeger.server

# The tests' real browser, and axe-core, which looks at the page as a screen reader's user would.
chromium: $(INSTALLED)
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
		$(BIN)/playwright install chromium
	$(BIN)/python -m tests.browser.axe

# The lowest versions that pyproject.toml admits, against the room where Locust's and librdkafka's ways show.
test-lowest:
	$(MAKE) VENV=.venv-lowest .venv-lowest/.installed
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python locust==2.47.0 confluent-kafka==2.13.2
	.venv-lowest/bin/pytest tests/process/test_plugin.py tests/distributed/test_exactness.py

# The tests' real schema registry: Apicurio from Maven Central (159 MB), once, into the user's cache.
registry: $(INSTALLED)
	$(BIN)/python -m tests.registry

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Known vulnerabilities in what is installed; a package that could not be looked up is no pass, but a failure.
audit: $(INSTALLED)
	for lock in requirements.lock docker/waiter.lock docker/locust-kafka.lock; do \
		$(BIN)/uv tool run --quiet pip-audit --strict --require-hashes --disable-pip --progress-spinner off -r $$lock || exit; \
	done

# ROWS=FILE also writes the generator's rows as JSON lines; benchmarks.picture draws them.
bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.waiter
	$(BIN)/python -m benchmarks.generator $(if $(ROWS),--json $(ROWS))
	$(BIN)/python -m benchmarks.tracing
	$(BIN)/python -m benchmarks.page

# The Java client beside the bare one, on the same warm broker and echo.
bench-rivals: $(INSTALLED)
	$(BIN)/python -m benchmarks.generator --only "in flight" $(if $(ROWS),--json $(ROWS))
	@echo "gatling-kafka-plugin is left out: Maven Central had it under neither org.galaxio nor ru.tinkoff when this was written."

# Half an hour at 2 000/s with faults and the page open: memory, files, threads, the books, the latency.
soak: $(INSTALLED)
	$(BIN)/python -m tests.faults.soak

# Twenty minutes at 5 000/s: memory, files, threads; exits with 1 when they grew. SECONDS=600 is enough for a look.
memory: SECONDS = 1200
memory: $(INSTALLED)
	$(BIN)/python -m benchmarks.memory --seconds $(SECONDS)

# 20 000 users in one process: how long until all run.
users: $(INSTALLED)
	$(BIN)/python -m benchmarks.users

# 1 000 request names: what they cost, and how large everything becomes.
names: $(INSTALLED)
	$(BIN)/python -m benchmarks.names

# What is reported against what the wire saw; exits with 1 when a bound is broken; needs tcpdump and root.
accuracy: $(INSTALLED)
	$(BIN)/python -m benchmarks.accuracy

lock: $(INSTALLED)
	$(BIN)/uv pip compile --universal --python-version 3.11 --all-extras --generate-hashes --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links --quiet pyproject.toml -o requirements.lock
	for image in waiter locust-kafka; do \
		$(BIN)/uv pip compile --python-version 3.13 --python-platform linux --generate-hashes --no-annotate --no-header \
			--no-emit-index-url --no-emit-find-links --quiet --constraint requirements.lock \
			$$([ $$image = waiter ] && echo docker/waiter.in || echo pyproject.toml) -o docker/$$image.lock; \
	done

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(INSTALLED): pyproject.toml requirements.lock
	@if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
		uv pip install --quiet --python $(BIN)/python -r requirements.lock && \
		uv pip install --quiet --python $(BIN)/python --no-deps -e . ; \
	else \
		$(PYTHON) -m venv $(VENV) && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e . ; \
	fi
	@touch $@
