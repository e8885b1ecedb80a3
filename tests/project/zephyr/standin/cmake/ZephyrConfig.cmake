# A stand-in, not Zephyr: what find_package(Zephyr) has to define for the generated modules. The real
# Kconfig files are read, the module's real CMakeLists.txt is run, and the application is linked with
# a few functions that act for the kernel, for a machine of QEMU.
cmake_minimum_required(VERSION 3.20)
project(standin C)

set(STANDIN ${CMAKE_CURRENT_LIST_DIR}/..)

# Kconfig: the application's where it has one, its configuration, and the board's.
set(kconfig_root ${STANDIN}/Kconfig)
if(EXISTS ${CMAKE_SOURCE_DIR}/Kconfig)
  set(kconfig_root ${CMAKE_SOURCE_DIR}/Kconfig)
endif()
set(conf_files ${CMAKE_SOURCE_DIR}/prj.conf)
if(EXISTS ${CMAKE_SOURCE_DIR}/boards/${BOARD}.conf)
  list(APPEND conf_files ${CMAKE_SOURCE_DIR}/boards/${BOARD}.conf)
endif()
list(APPEND conf_files ${EXTRA_CONF_FILE})
execute_process(
  COMMAND ${STANDIN_PYTHON} -B ${STANDIN}/kconfig.py --root ${kconfig_root}
    --module ${EXTRA_ZEPHYR_MODULES}/zephyr/Kconfig --symbols "${STANDIN_SYMBOLS}"
    --chosen "${STANDIN_CHOSEN}" --out ${CMAKE_BINARY_DIR}/config ${conf_files}
  OUTPUT_QUIET
  COMMAND_ERROR_IS_FATAL ANY
)
file(STRINGS ${CMAKE_BINARY_DIR}/config/.config lines REGEX "^CONFIG_")
foreach(line IN LISTS lines)
  string(REGEX MATCH "^(CONFIG_[A-Z0-9_]+)=\"?([^\"]*)" unused "${line}")
  set(${CMAKE_MATCH_1} ${CMAKE_MATCH_2})
endforeach()

add_library(zephyr_interface INTERFACE)
target_include_directories(zephyr_interface INTERFACE ${STANDIN}/include)
target_compile_options(zephyr_interface INTERFACE
  ${STANDIN_CFLAGS} -std=c99 -Os -ffreestanding -fno-strict-aliasing -Wall -Wextra -Werror
  "SHELL:-imacros \"${CMAKE_BINARY_DIR}/config/autoconf.h\""
)

function(zephyr_include_directories)
  target_include_directories(zephyr_interface INTERFACE ${ARGV})
endfunction()

macro(zephyr_library_named name)
  set(ZEPHYR_CURRENT_LIBRARY ${name})
  add_library(${name} STATIC)
  target_link_libraries(${name} PUBLIC zephyr_interface)
  set_property(GLOBAL APPEND PROPERTY ZEPHYR_LIBS ${name})
endmacro()

function(zephyr_library_sources)
  target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGV})
endfunction()

# As in Zephyr they stand behind the application's options: the last -O counts.
function(zephyr_library_compile_options)
  string(MD5 name "${ZEPHYR_CURRENT_LIBRARY} ${ARGV}")
  add_library(options_${name} INTERFACE)
  target_compile_options(options_${name} INTERFACE ${ARGV})
  target_link_libraries(${ZEPHYR_CURRENT_LIBRARY} PRIVATE options_${name})
endfunction()

add_library(app OBJECT)
target_link_libraries(app PUBLIC zephyr_interface)

set(ZEPHYR_CURRENT_MODULE_DIR ${EXTRA_ZEPHYR_MODULES})
add_subdirectory(${EXTRA_ZEPHYR_MODULES}/zephyr ${CMAKE_BINARY_DIR}/module)
get_property(libraries GLOBAL PROPERTY ZEPHYR_LIBS)

add_executable(zephyr_final ${STANDIN}/kernel.c)
if(CONFIG_ZTEST)
  target_sources(zephyr_final PRIVATE ${STANDIN}/ztest.c)
endif()
target_include_directories(zephyr_final PRIVATE ${STANDIN_COUNTER})
target_link_libraries(zephyr_final PRIVATE app ${libraries} ${STANDIN_LINK})
