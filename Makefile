# A menu; the work is done by cmake, ctest and the scripts.
JOBS ?= $(shell nproc)

.PHONY: help demo test check format lint asan package bench
help:    ## this list
	@sed -n 's/^\([a-z]*\): *## /  make \1\t/p' Makefile
demo:    ## install what is missing, build, run dbuild on examples/hello twice
	scripts/run_demo.sh
test:    ## install what the tests need, start real engines, run every test
	scripts/run_tests.sh
check:   ## build with warnings as errors; tests that need no service
	cmake --preset dev && cmake --build --preset dev -j $(JOBS) && ctest --preset dev -LE 'docker|stress' -j $(JOBS)
format:  ## clang-format over all sources
	git ls-files '*.hpp' '*.cpp' | xargs clang-format -i
lint:    ## clang-tidy over all sources
	cmake --preset dev && git ls-files '*.cpp' | xargs -n 1 -P $(JOBS) clang-tidy --quiet -p build/dev
asan:    ## unit tests under the address and undefined behaviour sanitizers
	cmake --preset asan && cmake --build --preset asan -j $(JOBS) && ctest --preset asan -LE docker -j $(JOBS)
package: ## tar.gz and .deb in build/release
	cmake --preset release && cmake --build --preset release -j $(JOBS) --target package
bench:   ## the measurements of docs/benchmarks.md, against docker buildx build
	benchmarks/run
