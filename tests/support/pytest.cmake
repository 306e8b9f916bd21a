# SPDX-License-Identifier: MPL-2.0
#
# pytest.cmake - a pytest module as a CTest, with Debian's own Python. tests/support/runner.py
#                counts
# its cases from build/PRESET/pytest/NAME.xml.
#
# heka_pytest(NAME LABEL label FILE test_x.py [PARALLEL])

function(heka_pytest name)
  cmake_parse_arguments(arg "PARALLEL" "LABEL;FILE" "" ${ARGN})
  add_test(NAME ${name}
    COMMAND /usr/bin/python3 ${CMAKE_SOURCE_DIR}/tests/support/run_pytest.py
      --bin-dir ${CMAKE_BINARY_DIR}/bin --junit ${CMAKE_BINARY_DIR}/pytest/${name}.xml
      ${CMAKE_CURRENT_SOURCE_DIR}/${arg_FILE})
  set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT 900 SKIP_RETURN_CODE 77)
  if(NOT arg_PARALLEL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE)
  endif()
endfunction()
