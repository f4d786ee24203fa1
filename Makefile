# make setup   a virtual environment with everything, in minutes
# make demo    learns from generated data, and shows what it has learned:
#              TASK=det instances, TASK=seg segmentation, TASK=pose keypoints,
#              TASK=cls classes, TASK=video motions; det by default
# make test    the test suite, in WORKERS= processes; 2 by default
# make test-slow
#              what takes minutes more: backbones at their full size
# make lint    ruff
#
# VENV= names another folder for the environment, PYTHON= another interpreter,
# PYTEST_ARGS= more arguments for pytest.

VENV ?= .venv
PYTHON ?= python3
TASK ?= det
WORKERS ?= 2
PYTEST_ARGS ?=

.PHONY: help setup demo test test-slow lint
.DEFAULT_GOAL := help

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

setup:
	@PYTHON="$(PYTHON)" bash tools/setup_venv.sh "$(abspath $(VENV))"

demo: setup
	@"$(abspath $(VENV))/bin/python" tools/demo.py --task $(TASK)

# Threads that wait for others soon sleep. By default they spin, and on a
# machine that does anything else training is many times slower.
test test-slow: export GOMP_SPINCOUNT ?= 1000
test test-slow: setup
	@"$(abspath $(VENV))/bin/python" -m pytest -n $(WORKERS) --dist worksteal -m "$(MARKED)" $(PYTEST_ARGS)
test: MARKED = not slow
test-slow: MARKED = slow

lint: setup
	@"$(abspath $(VENV))/bin/ruff" check .
	@"$(abspath $(VENV))/bin/ruff" format --check .
