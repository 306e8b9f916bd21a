# SPDX-License-Identifier: MPL-2.0
#
# native_plugins.cmake - what plugins of shared objects need: hekad's exported functions, and the
# installed headers (component "headers").

# Only the functions of native_api.def are exported.
set(heka_api_list ${CMAKE_CURRENT_BINARY_DIR}/native_api.list)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS plugins/native_api.def)
file(STRINGS plugins/native_api.def heka_api REGEX "^API\\(.*\\)$")
set(heka_api_text "")
foreach(line IN LISTS heka_api)
  string(REGEX REPLACE "^API\\((.*)\\)$" "\\1" name ${line})
  string(APPEND heka_api_text "  ${name};\n")
endforeach()
file(WRITE ${heka_api_list}.new "{\n${heka_api_text}};\n")
file(COPY_FILE ${heka_api_list}.new ${heka_api_list} ONLY_IF_DIFFERENT)
target_link_options(hekad PRIVATE -Wl,--dynamic-list=${heka_api_list})

set(heka_public_headers
  codec/decoder.h
  codec/encoder.h
  codec/splitter.h
  control/plugins/filter.h
  control/plugins/input.h
  control/plugins/input_stream.h
  control/plugins/output.h
  core/buffer.h
  core/captures.h
  core/check.h
  core/clock.h
  core/conf.h
  core/counters.def
  core/counters.h
  core/err.h
  core/log.h
  core/message.h
  core/plugin.h
  core/record.h
  core/schema.h
  core/split_expression.h
  core/talkers.h
  core/tcp_counters.def)
foreach(header IN LISTS heka_public_headers)
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${CMAKE_SOURCE_DIR}/${header} DESTINATION include/hekaline/${folder}
    COMPONENT headers)
endforeach()
install(FILES ${CMAKE_SOURCE_DIR}/control/hekaline.h DESTINATION include/hekaline
  COMPONENT headers)
