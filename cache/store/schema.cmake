# SPDX-License-Identifier: Apache-2.0
# The schema is a file of its own and compiled in as text: makes DBUILD_GENERATED_DIR/cache/store/schema.hpp. Included by
# cache/CMakeLists.txt; tests/fuzz/run.sh runs it as a script.
set(DBUILD_STORE_DIR ${CMAKE_CURRENT_LIST_DIR})
file(READ ${DBUILD_STORE_DIR}/schema.sql DBUILD_SCHEMA)
file(READ ${DBUILD_STORE_DIR}/migrations/1_to_2.sql DBUILD_MIGRATION_1_TO_2)
file(READ ${DBUILD_STORE_DIR}/migrations/2_to_3.sql DBUILD_MIGRATION_2_TO_3)
file(READ ${DBUILD_STORE_DIR}/migrations/3_to_4.sql DBUILD_MIGRATION_3_TO_4)
file(READ ${DBUILD_STORE_DIR}/migrations/4_to_5.sql DBUILD_MIGRATION_4_TO_5)
file(READ ${DBUILD_STORE_DIR}/migrations/5_to_6.sql DBUILD_MIGRATION_5_TO_6)
file(READ ${DBUILD_STORE_DIR}/migrations/6_to_7.sql DBUILD_MIGRATION_6_TO_7)
configure_file(${DBUILD_STORE_DIR}/schema.hpp.in ${DBUILD_GENERATED_DIR}/cache/store/schema.hpp @ONLY)
