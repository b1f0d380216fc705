# SPDX-License-Identifier: Apache-2.0
# The system calls that a RUN may use, compiled in as text: makes DBUILD_GENERATED_DIR/executors/runtime/seccomp.hpp.
# seccomp.json is moby's default profile (Apache-2.0) as Docker 26.1.5 hands it to its runtime for a RUN on x86-64.
# seccomp.bpf.base64 is what crun makes of it: scripts/compile_seccomp_filter.sh.
file(READ ${CMAKE_CURRENT_LIST_DIR}/seccomp.json DBUILD_SECCOMP)
file(READ ${CMAKE_CURRENT_LIST_DIR}/seccomp.bpf.base64 DBUILD_SECCOMP_FILTER)
string(REPLACE "\n" "" DBUILD_SECCOMP_FILTER "${DBUILD_SECCOMP_FILTER}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/seccomp.hpp.in ${DBUILD_GENERATED_DIR}/executors/runtime/seccomp.hpp @ONLY)
