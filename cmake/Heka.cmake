# SPDX-License-Identifier: MPL-2.0
#
# Heka.cmake - compiler settings, and the functions that add a module, a program, a test, a fuzz
# target and a benchmark.

set(HEKA_SANITIZE "" CACHE STRING "value of -fsanitize= for all of our code")
set(HEKA_MARCH "" CACHE STRING "value of -march= for all of our code; empty is the compiler's own")
option(HEKA_FUZZ "build fuzz targets with libFuzzer (clang) instead of as corpus replays" OFF)
option(HEKA_COVERAGE "instrument for gcov" OFF)

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O3 -g")

add_library(heka_flags INTERFACE)
target_compile_definitions(heka_flags INTERFACE _GNU_SOURCE HEKA_VERSION="${PROJECT_VERSION}")
target_include_directories(heka_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
target_compile_options(heka_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wvla -Wundef -Wcast-qual -Wmissing-prototypes
  -Wstrict-prototypes -Wpointer-arith -Wwrite-strings -Werror -fno-strict-aliasing
  -fstack-protector-strong -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(HEKA_SANITIZE)
  target_compile_options(heka_flags INTERFACE -fsanitize=${HEKA_SANITIZE}
    -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(heka_flags INTERFACE -fsanitize=${HEKA_SANITIZE})
endif()
if(HEKA_FUZZ)
  target_compile_options(heka_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(HEKA_COVERAGE)
  target_compile_options(heka_flags INTERFACE --coverage)
  target_link_options(heka_flags INTERFACE --coverage)
endif()
if(HEKA_MARCH)
  target_compile_options(heka_flags INTERFACE -march=${HEKA_MARCH})
endif()

# heka_module(NAME SOURCES a.c ... [DEPS other modules and libraries])
function(heka_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC heka_flags ${arg_DEPS})
endfunction()

# heka_program(NAME SOURCES a.c ... DEPS modules): an installed executable in build/PRESET/bin
function(heka_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE heka_flags ${arg_DEPS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  install(TARGETS ${name} RUNTIME DESTINATION bin)
endfunction()

# heka_test(NAME [LABEL unit] SOURCES test_x.c DEPS modules [ARGS ...]): a cmocka program
function(heka_test name)
  cmake_parse_arguments(arg "" "LABEL" "SOURCES;DEPS;ARGS" ${ARGN})
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE heka_flags ${arg_DEPS} PkgConfig::CMOCKA)
  target_compile_definitions(${name} PRIVATE TEST_SOURCE_DIR="${CMAKE_SOURCE_DIR}/tests")
  add_test(NAME ${name} COMMAND ${name} ${arg_ARGS})
  set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT 300)
endfunction()

# heka_fuzz(NAME SOURCES fuzz_x.c DEPS modules): a libFuzzer target under the fuzz preset; elsewhere
# a program that replays tests/fuzz/corpus/NAME, as a CTest with the label fuzz.
function(heka_fuzz name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  set(corpus ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  if(HEKA_FUZZ)
    add_executable(${name} ${arg_SOURCES})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_test(NAME ${name} COMMAND ${name} -runs=20000 -max_len=4096 -seed=1 ${corpus})
  else()
    add_executable(${name} ${arg_SOURCES} ${CMAKE_SOURCE_DIR}/tests/support/fuzz_replay.c)
    add_test(NAME ${name} COMMAND ${name} ${corpus})
  endif()
  target_link_libraries(${name} PRIVATE heka_flags ${arg_DEPS})
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 300)
endfunction()

# heka_bench(NAME SOURCES a.c ... DEPS modules): build/PRESET/bench/NAME, see bench/README.md
function(heka_bench name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE heka_flags ${arg_DEPS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
endfunction()
