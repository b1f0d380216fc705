# Libraries of the distribution; nothing is downloaded. Imported targets are SYSTEM by nature, so their headers never warn.
# Debian 12's default Boost (1.74) has no Boost.JSON: there it is libboost1.81-dev (scripts/install_dependencies.sh).
option(DBUILD_SELF_CONTAINED "Link only libc dynamically, where the distribution has the rest as static libraries" OFF)
if(DBUILD_SELF_CONTAINED)
  # The loader's work on shared libraries is a good part of what a build costs in which nothing changed. (libcurl, which is
  # needed seldom, is loaded when it is.)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a .so)
  set(Boost_USE_STATIC_LIBS ON)
  add_link_options(-static-libstdc++ -static-libgcc)
endif()
set(Boost_NO_WARN_NEW_VERSIONS ON)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(SQLite3 REQUIRED)
find_package(CLI11 REQUIRED)
find_package(CURL REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(fmt REQUIRED)
add_library(dbuild_fmt INTERFACE)
target_link_libraries(dbuild_fmt INTERFACE $<IF:$<BOOL:${DBUILD_SELF_CONTAINED}>,fmt::fmt-header-only,fmt::fmt>)
find_package(tl-expected REQUIRED)
find_package(Threads REQUIRED)
if(BUILD_TESTING)
  find_package(doctest REQUIRED)
endif()

# Not every supported distribution ships zstd's own CMake files under one target name; pkg-config is the same everywhere.
find_package(PkgConfig REQUIRED)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
add_library(dbuild_zstd INTERFACE)
target_link_libraries(dbuild_zstd INTERFACE PkgConfig::zstd)

# libdeflate does not tell its version at run time, on which the bytes that it makes depend: so it is always the one that
# dbuild was built with.
find_library(DBUILD_STATIC_LIBDEFLATE libdeflate.a REQUIRED)
find_path(DBUILD_LIBDEFLATE_INCLUDE_DIR libdeflate.h REQUIRED)
add_library(dbuild_libdeflate INTERFACE)
target_include_directories(dbuild_libdeflate SYSTEM INTERFACE ${DBUILD_LIBDEFLATE_INCLUDE_DIR})
target_link_libraries(dbuild_libdeflate INTERFACE ${DBUILD_STATIC_LIBDEFLATE})

find_path(DBUILD_ISAL_INCLUDE_DIR isa-l/igzip_lib.h REQUIRED)

# Of libarchive the tar reader is used. Its shared library brings libxml2, ICU and ten more along, which every start of dbuild
# would pay for; so the static one is taken where the distribution has it.
find_package(LibArchive REQUIRED)
find_package(BZip2)
find_package(LibLZMA)
find_package(ZLIB)
find_library(DBUILD_STATIC_LIBARCHIVE libarchive.a)
add_library(dbuild_libarchive INTERFACE)
if(DBUILD_STATIC_LIBARCHIVE AND BZIP2_FOUND AND LIBLZMA_FOUND AND ZLIB_FOUND)
  target_include_directories(dbuild_libarchive SYSTEM INTERFACE ${LibArchive_INCLUDE_DIRS})
  target_link_libraries(dbuild_libarchive INTERFACE
    ${DBUILD_STATIC_LIBARCHIVE} BZip2::BZip2 ZLIB::ZLIB LibLZMA::LibLZMA PkgConfig::zstd)
else()
  target_link_libraries(dbuild_libarchive INTERFACE LibArchive::LibArchive)
endif()
