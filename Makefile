.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
STAMP := .venv/.complete
# Most tests wait for a node or a venue: two of them share a processor well.
WORKERS = $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))')

help:  ## list what can be made
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## */\t/' | expand -t 13

setup: $(STAMP)  ## make .venv with every package pinned

# A set-up that was cut short leaves no stamp and is done again from the start.
$(STAMP): requirements.lock pyproject.toml
	@echo "making .venv with every package pinned; this takes about a minute, once" >&2
	@rm -rf .venv
	@if command -v uv >/dev/null 2>&1; then \
	    python=$$(scripts/find-python 2>/dev/null || echo '>=3.12,<3.14') && \
	    uv venv --quiet --python "$$python" .venv && \
	    uv pip install --quiet --python $(PYTHON) --require-hashes -r requirements.lock && \
	    uv pip install --quiet --python $(PYTHON) --no-deps --no-build-isolation -e . ; \
	else \
	    python=$$(scripts/find-python) && "$$python" -m venv .venv && \
	    $(PYTHON) -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock && \
	    $(PYTHON) -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e . ; \
	fi
	@touch $@

demo: setup  ## the main job, live on a synthetic recording, in under 90 seconds
	@$(PYTHON) -m cli.demo

web: setup  ## the page in a browser, beside a node that trades on a synthetic recording
	@$(PYTHON) -m cli.demo --page

test: setup  ## every test
	@$(PYTHON) -m pytest -q -n $(WORKERS) --dist loadgroup

check: format lint types test  ## format, lint, types, tests

format: setup
	@.venv/bin/ruff format --check --quiet .

lint: setup
	@.venv/bin/ruff check --quiet .

types: setup
	@.venv/bin/mypy --no-error-summary

sim: setup  ## N seeded lives of the money core, e.g. make sim N=100000
	@LIVES=$(or $(N),100000) $(PYTHON) -m pytest -q -n auto tests/test_simulation.py

views: setup  ## N seeds of channel, REST and reconnects in every order, e.g. make views N=50000 FIRST=50000
	@VIEWS=$(or $(N),100000) FIRST=$(FIRST) $(PYTHON) -m pytest -q -n auto tests/test_views.py

fuzz: setup  ## N generated turns, inputs and starts that may hold anything, e.g. make fuzz N=100000
	@FUZZ=$(or $(N),100000) $(PYTHON) -m pytest -q -n auto tests/test_fuzz.py

recordings: setup  ## every shared recording, with POSITIONS positions each, e.g. POSITIONS=500
	@POSITIONS=$(or $(POSITIONS),500) $(PYTHON) -m pytest -q tests/test_recordings.py tests/test_optimism.py

optimism: setup  ## print how much too well the simulated venue sells into docs/simulated-venue.md
	@PYTHONPATH=.:tests $(PYTHON) -m optimism docs/simulated-venue.md

parity: setup  ## N seeds played live on the loopback venue and in a backtest, e.g. make parity N=20
	@PARITY=$(or $(N),10) $(PYTHON) -m pytest -q -n auto tests/test_parity.py

crash: setup  ## a real node killed at commits, at random moments, and in the midst of each fault
	@CRASHES=all $(PYTHON) -m pytest -q -n auto tests/test_crash.py tests/test_crash_bracket.py \
		tests/test_crash_live.py tests/test_fault_crashes.py

faults: setup  ## what goes wrong at the venue, with the outages that take minutes
	@REJECTIONS=20 OUTAGE=90 SELLABLE_AFTER=5 PATIENCE=200 $(PYTHON) -m pytest -q tests/test_faults.py

storm: setup  ## a seeded storm over a live node on the loopback venue, e.g. make storm SEED=7 MINUTES=4
	@SEED=$(SEED) MINUTES=$(MINUTES) $(PYTHON) tests/storm.py

other-venue: setup  ## a node killed KILLS times on an independent venue, seeds 1 to 3 or SEED, and an audit
	@KILLS=$(KILLS) SEED=$(SEED) PYTHONPATH=.:tests $(PYTHON) -m other_venue

liveness: setup  ## a live node in N hostile variants of anything: the other position is always sold
	@N=$(N) SEED=$(SEED) VARIANT=$(VARIANT) PYTHONPATH=.:tests $(PYTHON) -m liveness

soak: setup  ## a week of market time and 5,500 positions through one node; what each day costs
	@PYTHONPATH=. $(PYTHON) tests/soak.py

mutants: setup  ## negate each condition of the pure core, or of MODULES="model/stops engine/plan", and list what no test notices
	@$(PYTHON) tests/mutants.py $(MODULES)

diagram: setup  ## print the life of a position into docs/architecture.md
	@$(PYTHON) -m positions.engine.lifecycle docs/architecture.md

defects: setup  ## print the table of the adapter's defects into docs/adapter-defects.md
	@PYTHONPATH=.:tests $(PYTHON) -m defects docs/adapter-defects.md

pictures: setup  ## photograph the page on a replay, for the README; needs Debian's chromium
	@PYTHONPATH=.:tests $(PYTHON) -m pictures docs

bench: setup  ## speed and memory, as ratios to a baseline; some of it: make bench ROWS=backtest,sweep
	@PYTHONPATH=.:tests $(PYTHON) -m bench --rows "$(ROWS)"

clean:  ## remove what was made
	@rm -rf .venv build *.egg-info state catalog/sample

.PHONY: help setup demo web test check format lint types sim views recordings optimism parity crash faults storm other-venue liveness soak mutants diagram defects pictures bench clean
