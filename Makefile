# Thin: every target is one command a person could type.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
WORKERS ?= 2

.PHONY: help install demo test lint chaos chaos-engines slow bench clean

help:
	@echo "make demo   install what is needed, then prompts in, scored posters out (out/demo)"
	@echo "make test   install what is needed, then lint, types, arrows and every test"
	@echo "make chaos  a million events under kills, pauses, lost brokers and a bad network (docs/reliability.md)"
	@echo "make chaos-engines  10,000 paid jobs, workers killed, one ledger, audited against the bill (docs/spend-audit.md)"
	@echo "make slow   work of one to five minutes an event, and no rebalance"
	@echo "make bench  the routing stage beside its rivals, its latency, the price of poison (docs/performance.md)"
	@echo "make clean  remove the virtual environment and all output"

install: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"glyphstream needs Python 3.11 or newer; {sys.executable} is {v[0]}.{v[1]}. Say: make PYTHON=/path/to/python3.11")'
	@echo "==> virtual environment in $(VENV), pinned dependencies (torch among them: about 5 GB, 2 to 3 minutes)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

demo: $(READY)
	@echo "==> demo: broker, engines and stages on this machine"
	@$(BIN)/glyphstream demo

lint: $(READY)
	@echo "==> ruff, mypy, import-linter"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test: lint
	@echo "==> tests, on a real Apache Kafka, $(WORKERS) at a time"
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

chaos: $(READY)
	@echo "==> a million events, 300 kills; interrupted, it goes on with: $(BIN)/python -m tests.chaos.run --resume out/chaos --report docs/reliability.md"
	@$(BIN)/python -m tests.chaos.run --events 1000000 --kills 300 --report docs/reliability.md
	@echo "==> the same with a planted fault, which must be found"
	@$(BIN)/python -m tests.chaos.run --events 100000 --kills 30 --seed 2 --control one-id-per-worker --out out/chaos-control --report docs/reliability.md
	@echo "==> a lone broker, killed and stopped under load"
	@$(BIN)/python -m tests.chaos.restarts --rounds 12 --report docs/reliability.md
	@echo "==> the whole demo, broker and all, killed ten times"
	@$(BIN)/python -m tests.chaos.kill_demo --kills 10 --report docs/reliability.md

chaos-engines: $(READY)
	@echo "==> 10,000 paid jobs, three workers, kills, one ledger: PostgreSQL (apt-get install postgresql), then SQLite"
	@$(BIN)/python -m tests.chaos.engines.run --jobs 10000 --database postgres --report docs/spend-audit.md
	@$(BIN)/python -m tests.chaos.engines.run --jobs 10000 --database sqlite --seed 2 --report docs/spend-audit.md
	@echo "==> planted faults, which must be found"
	@for control in pays-again settles-nothing drops-jobs; do $(BIN)/python -m tests.chaos.engines.run --jobs 200 --kills 4 --database sqlite --control $$control --report docs/spend-audit.md || exit 1; done

slow: $(READY)
	@$(BIN)/python -m tests.chaos.slow_work --report out/slow-work.json --page out/slow-work.md

bench: $(READY)
	@$(BIN)/python -m tests.bench.run all --quiet 30 --report docs/performance.md

clean:
	rm -rf $(VENV) out build *.egg-info
