# An index of what can be done here; what each does is said in CONTRIBUTING.md.
.PHONY: help setup run serve test check format lint types imports docs fix town crash golden bench wheel pins
B := .venv/bin

help:        ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:[^#]*## */\t/' | expand -t 12
setup:       ## .venv with everything pinned; nothing to do when nothing changed
	@sh tools/setup.sh
run: setup   ## the main job: 60 London homes trade for a week
	$(B)/wattbay run london-week --force
serve: setup ## a street live: MQTT broker, REST, a market; Ctrl-C stops it, and it goes on
	$(B)/wattbay serve
test: setup  ## every test
	$(B)/pytest -n auto --dist worksteal
check: format lint types imports docs  ## format, lint, types, contracts of imports, docs
format: setup  ## is everything formatted?
	$(B)/ruff format --check --quiet .
lint: setup  ## every rule of ruff
	$(B)/ruff check --quiet .
types: setup  ## mypy, strict
	$(B)/mypy
imports: setup  ## the floors of the house
	$(B)/lint-imports
docs: setup  ## the documentation, warnings are errors
	$(B)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs docs/_build/html
fix: setup   ## format, and mend what ruff can
	$(B)/ruff check --fix --quiet . ; $(B)/ruff format --quiet .
town: setup  ## whole towns with faults; SEED=7 repeats one, SEEDS=1000 takes many
	WATTBAY_SEED=$(SEED) WATTBAY_SEEDS=$(SEEDS) $(B)/pytest tests/town
crash: setup ## kill -9 at random moments; KILLS=500 takes many
	WATTBAY_KILLS=$(KILLS) $(B)/pytest tests/crash
golden: setup  ## renew the golden files; review the diff
	WATTBAY_RENEW_GOLDEN=1 $(B)/pytest tests/golden
bench: setup ## speed and memory, beside a reference loop
	$(B)/python -m benchmarks
wheel: setup ## the wheel, in dist/; WATTBAY_COMPILE=1 insists on compiling the order book
	$(B)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
pins:        ## renew constraints.txt (needs uv)
	sh tools/pins.sh
