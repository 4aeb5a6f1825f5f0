# Each target sets up what it needs in .venv; on Debian as root also the system packages (scripts/setup.sh).
SHELL := /bin/bash
PY := .venv/bin/python
PACKAGES := lecture transport streamer relay classroom_client recordings hallcast
CODE := $(PACKAGES) tests benchmarks scripts

# make run SLIDES=deck.pdf VOICE=talk.wav [SPOKEN=ko] [CAMERA=clip.mp4] [TURNS=turns.json] [PORT=8400]
SLIDES ?=
VOICE ?=
SPOKEN ?=
CAMERA ?=
TURNS ?=
PORT ?=
# make test ARGS="tests/unit -k coverage"
ARGS ?=
# Where bytecode may not be kept, each of the many processes that tests start compiles everything anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run test lint types format bench bench-fanout bench-recordings lock

help:  ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

run:  ## start a relay, stream a lecture to it, join a hall; own files: SLIDES=deck.pdf VOICE=talk.wav; Ctrl-C ends it
	@scripts/setup.sh run
	@$(PY) -m hallcast demo $(if $(SLIDES),--slides "$(SLIDES)") $(if $(VOICE),--voice "$(VOICE)") \
		$(if $(SPOKEN),--language "$(SPOKEN)") \
		$(if $(CAMERA),--camera "$(CAMERA)") $(if $(TURNS),--turns "$(TURNS)") \
		$(if $(PORT),--port "$(PORT)")

test:  ## run every test (unit, network, real browser)
	@scripts/setup.sh dev
ifeq ($(ARGS),)
	$(PY) -m pytest -n 6 --dist loadscope
else
	$(PY) -m pytest $(ARGS)
endif

lint:  ## style, unused code, import rules
	@scripts/setup.sh dev
	.venv/bin/ruff check $(CODE)
	.venv/bin/ruff format --check $(CODE)
	.venv/bin/lint-imports --no-cache

types:  ## mypy --strict on our packages
	@scripts/setup.sh dev
	$(PY) -m mypy

format:  ## put the code into the project's style
	@scripts/setup.sh dev
	.venv/bin/ruff check --fix $(CODE)
	.venv/bin/ruff format $(CODE)

bench:  ## whole lectures over twelve thin links, figures beside the bars (root on Linux); ARGS="--links A,C --quick"
	@scripts/setup.sh dev
	$(PY) -m benchmarks.thin_links $(ARGS)

bench-fanout:  ## one lecture to 25, 100 and 400 halls and players: CPU per packet, and where it goes
	@scripts/setup.sh dev
	$(PY) -m benchmarks.fanout --profile --write docs/benchmarks-fanout.md $(ARGS)

bench-recordings:  ## recordings: bytes per hour, cost, opening, export, search, figures beside the bars
	@scripts/setup.sh dev
	$(PY) -m benchmarks.recordings --write docs/benchmarks-recordings.md $(ARGS)

lock:  ## write locks/*.lock anew from pyproject.toml
	@scripts/setup.sh dev
	scripts/lock.sh
