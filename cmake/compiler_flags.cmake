# Flags for dbuild's own code only: every target of the project links dbuild_flags PRIVATE, nothing of a third party does.
option(DBUILD_WERROR "Treat warnings as errors" OFF)
set(DBUILD_SANITIZE "" CACHE STRING "Value of -fsanitize=, e.g. address,undefined or thread; empty for none")
option(DBUILD_COVERAGE "Instrument for gcov" OFF)

add_library(dbuild_flags INTERFACE)
target_compile_features(dbuild_flags INTERFACE cxx_std_20)
target_compile_options(dbuild_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast
  $<$<BOOL:${DBUILD_WERROR}>:-Werror>
  # GCC 12 warns of `"text" + std::string()` at -O3 (its bug 105651).
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)

# Sanitizers and coverage must reach every object and every link, so these are not on the interface target.
if(DBUILD_SANITIZE)
  add_compile_options(-fsanitize=${DBUILD_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${DBUILD_SANITIZE})
endif()
if(DBUILD_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()
set(CMAKE_CXX_EXTENSIONS OFF)
