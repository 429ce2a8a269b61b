# Every target makes .venv first if it has to: see scripts/bootstrap.py, which does the work.

# The first Python on PATH that will do; another one: make lab PYTHON=/path/to/python3.12
SUITS = import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -I -c '$(SUITS)' 2>/dev/null && echo "$$p" && exit; done; echo python3)
BOOTSTRAP = @"$(PYTHON)" -I scripts/bootstrap.py

.PHONY: help lab handouts site editions test test-deep test-oldest test-newest bench lint lock clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 14

lab:  ## open JupyterLab on the course (LABFLAGS="--no-browser --port=8899" for options)
	$(BOOTSTRAP) lab $(LABFLAGS)

handouts:  ## write every chapter as one HTML file to handouts/ (HANDOUTFLAGS="08_shm_big_iron" for one)
	$(BOOTSTRAP) handouts $(HANDOUTFLAGS)

site:  ## write the course as a folder for any static server to site/ (SITEFLAGS="--help" for options)
	$(BOOTSTRAP) site $(SITEFLAGS)

editions:  ## write notebooks for students, teachers, nbgrader, Otter and Colab to editions/ (EDITIONFLAGS="--minutes")
	$(BOOTSTRAP) editions $(EDITIONFLAGS)

test:  ## pass the tests (TESTFLAGS="-k mremap" for some of them)
	$(BOOTSTRAP) test $(TESTFLAGS)

test-deep:  ## pass all tests, the long random ones too
	$(BOOTSTRAP) test -m "" $(TESTFLAGS)

test-oldest:  ## pass the tests with the oldest packages that pyproject.toml allows, in an environment of their own
	$(BOOTSTRAP) oldest $(TESTFLAGS)

test-newest:  ## the same with the newest packages
	$(BOOTSTRAP) newest $(TESTFLAGS)

bench:  ## print the speed ratios with their gates and goals (BENCHFLAGS="--long" for the long ones)
	$(BOOTSTRAP) bench $(BENCHFLAGS)

lint:  ## check style, format, types, the direction of imports, and spelling
	$(BOOTSTRAP) lint

lock:  ## renew the files of requirements/
	$(BOOTSTRAP) lock

clean:  ## remove .venv and what the tools left behind
	rm -rf .venv .venv-site .venv-oldest .venv-newest .hypothesis .pytest_cache .ruff_cache .mypy_cache *.egg-info build dist handouts site editions
	find . -name __pycache__ -prune -exec rm -rf {} +
