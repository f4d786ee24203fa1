# make setup   a virtual environment with everything, in minutes
# make demo    learns from generated data, and shows what it has learned:
#              TASK=det instances, TASK=seg segmentation, TASK=pose keypoints,
#              TASK=cls classes, TASK=video motions; det by default
# make test    the test suite, in WORKERS= processes; 2 by default
# make test-slow
#              what takes minutes more: backbones at their full size
# make setup-forks
#              .venv-forks with the maintained forks of mmengine, mmcv, mmdet,
#              mmsegmentation and mmpretrain in place of the originals
# make test-forks
#              the test suite with them; what needs mmpose or mmaction2 skips
# make docs    the pages as a site, with those of the API: site/index.html
# make docs-data
#              what is written from data: tables of results (README.md, too),
#              the model index, docs/zoo.md, docs/recipes.md, docs/recipe_runs.md
#              and docs/reproduction.md with its pictures
# make lint    ruff
#
# VENV= names another folder for the environment, PYTHON= another interpreter,
# PYTEST_ARGS= more arguments for pytest.

VENV ?= .venv
PYTHON ?= python3
TASK ?= det
WORKERS ?= 2
PYTEST_ARGS ?=

.PHONY: help setup setup-forks demo test test-slow test-forks docs docs-data lint
.DEFAULT_GOAL := help

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

setup:
	@PYTHON="$(PYTHON)" bash tools/setup_venv.sh "$(abspath $(VENV))"

setup-forks test-forks: VENV = .venv-forks
setup-forks:
	@PYTHON="$(PYTHON)" bash tools/setup_venv.sh "$(abspath $(VENV))" forks

demo: setup
	@"$(abspath $(VENV))/bin/python" tools/demo.py --task $(TASK)

# Threads that wait for others soon sleep. By default they spin, and on a
# machine that does anything else training is many times slower.
test test-slow test-forks: export GOMP_SPINCOUNT ?= 1000
test test-slow: setup
test-forks: setup-forks
test test-slow test-forks:
	@"$(abspath $(VENV))/bin/python" -m pytest -n $(WORKERS) --dist worksteal -m "$(MARKED)" $(PYTEST_ARGS)
test test-forks: MARKED = not slow
test-slow: MARKED = slow

docs: export NO_MKDOCS_2_WARNING ?= 1
docs: setup
	@"$(abspath $(VENV))/bin/python" -m mkdocs build -q
	@echo "docs: site/index.html"

docs-data: setup
	@"$(abspath $(VENV))/bin/python" tools/misc/write_recipes.py
	@"$(abspath $(VENV))/bin/python" tools/misc/write_recipe_runs.py
	@"$(abspath $(VENV))/bin/python" tools/analysis_tools/reproduce.py --complexity --out docs/reproduction/complexity.json >/dev/null
	@"$(abspath $(VENV))/bin/python" tools/analysis_tools/reproduce.py --complexity --designs --out docs/reproduction/designs.json >/dev/null
	@"$(abspath $(VENV))/bin/python" tools/misc/write_tables.py
	@"$(abspath $(VENV))/bin/python" tools/analysis_tools/reproduce.py --report

lint: setup
	@"$(abspath $(VENV))/bin/ruff" check .
	@"$(abspath $(VENV))/bin/ruff" format --check .
