# Commands of the project. `make demo` and `make test` need Python 3.11 or later and make, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: venv demo test slow drill spark check lock messages bench clean

venv: $(VENV)/.installed

$(VENV)/.installed: setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "Insiders needs Python 3.11, 3.12 or 3.13; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@# Bytecode now, so that the first command does not pay for it; by all cores, which pip does not use.
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib insiders_assets || true
	@touch $@

demo: venv
	$(BIN)/insiders demo

test: venv
	$(BIN)/python -m pytest -m "not slow" -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

slow: venv
	$(BIN)/python -m pytest -m slow

# Production on this machine on bad days, and a year in a quarter of an hour; wants nginx and a PostgreSQL with TLS.
drill: venv
	$(BIN)/python -m pytest -m slow -v -s insiders_tests/deploy/test_drill.py insiders_tests/deploy/test_load.py

# Wants Java 17; downloads 434 MB the first time.
spark: venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[spark]'
	$(BIN)/python -m pytest -m spark

check: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/detect-secrets-hook --baseline .secrets.baseline $$(git ls-files)

# Exact versions for every supported Python, from the bounds in setup.py.
lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile setup.py --extra dev --extra spark --universal --python-version 3.11 --no-annotate --no-header -o constraints.txt

# New messages stand in the catalogue without a translation, gone ones are dropped; a test holds that none is empty.
messages: venv
	$(BIN)/pybabel -q extract -k say --omit-header --no-wrap --sort-by-file --add-location=file -o messages.pot insiders_assets
	$(BIN)/pybabel -q update -N --omit-header --no-wrap --ignore-obsolete --no-fuzzy-matching -l pt_BR -D insiders -i messages.pot -d insiders_assets/reporting/locale
	@rm messages.pot

bench: venv
	$(BIN)/python -m benchmarks.run

clean:
	rm -rf $(VENV) .insiders build *.egg-info
