# SPDX-License-Identifier: Apache-2.0
# Two commands do everything on a fresh Debian 12: `make run` and `make test`. Each target calls one script of ci/, which works by hand too.

.DEFAULT_GOAL := help
.PHONY: help run test lint format unit bpf rules kernel cluster bench

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

run: ## set up what is missing and run the sensor on this machine (root); ARGS="--output json" is passed on
	@ci/run $(ARGS)

test: ## set up what is missing and run every test (root)
	@ci/test

lint: ## ruff, mypy --strict, shell syntax
	@ci/test lint

format: ## let ruff put the sources in order
	@ci/lint --fix

unit: ## the tests that run anywhere: unit, properties, repo
	@ci/test unit properties repo

bpf: ## the probes on this machine's kernel (root)
	@ci/test bpf

rules: ## every rule's act, done for real, and its finding (root)
	@ci/test rules

kernel: ## other kernels, booted in QEMU (root)
	@ci/test kernel

cluster: ## a real Kubernetes node, built once from Go modules (12 to 30 minutes), or the one that KUBECONFIG names (root)
	@ci/test cluster

bench: ## what Scout costs, beside a floor measured in the same run (root)
	@ci/test bench
