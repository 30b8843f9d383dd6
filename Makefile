# Thin on purpose: each target is one command. `make` alone lists them.

# Programs that `mlops` starts by name (python, julia) are looked for in .venv first.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# Two tests at a time, each file in one process: files share what takes long to make.
SPREAD := --numprocesses=2 --dist=loadfile

.PHONY: help setup demo test test-full bench bench-batch bench-serving check locks stop

help: ## what there is to type
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

setup: ## install what is missing: .venv from the locks, R, Julia, HAProxy
	@sh ci/setup/setup.sh

demo: setup ## the main job, from raw data to three answering APIs
	@.venv/bin/mlops demo

test: setup ## unit, conformance, fault and end-to-end tests
	@.venv/bin/python -m pytest -m "not long" $(SPREAD)

test-full: setup ## the same and the tests that take long
	@.venv/bin/python -m pytest $(SPREAD)

bench-batch: setup ## the same for batch scoring alone, against each language alone
	@.venv/bin/python -m tests.benchmarks batch

bench: setup ## measure; prints a table and writes it as JSON
	@.venv/bin/python -m tests.benchmarks

bench-serving: setup ## the APIs beside FastAPI, MLflow and plumber, under load
	@.venv/bin/python -m tests.benchmarks.serving

check: setup ## format, lint, types, and every contract of the repository
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/mlops check

locks: setup ## resolve ci/locks/*.in again; versions move only where they must
	@.venv/bin/python -m ci.setup.locks

stop: ## stop the APIs that are running
	@.venv/bin/mlops stop
