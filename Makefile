# SPDX-License-Identifier: MIT
# Short names for scripts/, which need no make. ARGS go on to the script: make test ARGS=--quick

.PHONY: help test demo asan refleak analyze coverage test-next parity tsan soak bench format lint clean
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12
test: ## the test suite on every CPython 3.11 to 3.13 found here
	./scripts/test $(ARGS)
demo: ## FastAPI under uvicorn on asyncio, uvloop and hotloop, compared
	./scripts/demo $(ARGS)
asan: ## the suite under AddressSanitizer, LeakSanitizer and UBSan
	./scripts/asan $(ARGS)
refleak: ## the behaviour tests, 3 + 3 rounds each, on a debug interpreter
	./scripts/refleak $(ARGS)
analyze: ## gcc -fanalyzer and strict warnings over every C file
	./scripts/analyze $(ARGS)
coverage: ## lines and branches of C that the suite reaches
	./scripts/coverage $(ARGS)
test-next: ## the suite on Python 3.14 and 3.15, in a chroot (root only)
	./scripts/test-next $(ARGS)
parity: ## docs/parity.md: every row of the parity table, on every loop
	./scripts/parity $(ARGS)
tsan: ## the thread tests under ThreadSanitizer, twenty times
	./scripts/tsan $(ARGS)
soak: ## long loads that may not leak; ARGS=--full takes two hours
	./scripts/soak $(ARGS)
bench: ## every benchmark on every loop; see docs/benchmarks.md
	./scripts/bench $(ARGS)
format: ## clang-format over the lines of C that you changed, ruff over the Python code
	./scripts/lint --fix
lint: ## ruff and mypy over the Python code
	./scripts/lint
clean: ## everything that was built
	rm -rf build
