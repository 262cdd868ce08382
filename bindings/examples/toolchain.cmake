# cmake -S . -B build -DCMAKE_TOOLCHAIN_FILE=…/toolchain.cmake: compiles go through cchain where it is installed, and plainly where it is not.
# With the patched Ninja, which serves hits in its own process, no launcher is needed: cmake -G Ninja then takes it where it is found.
# SPDX-License-Identifier: Apache-2.0
find_program(CCHAIN_COMMAND cchain)
find_program(CCHAIN_NINJA ninja PATHS /usr/lib/cchain /usr/local/lib/cchain NO_DEFAULT_PATH)
mark_as_advanced(CCHAIN_COMMAND CCHAIN_NINJA)

if(CMAKE_GENERATOR MATCHES "Ninja" AND CCHAIN_NINJA)
  set(CMAKE_MAKE_PROGRAM "${CCHAIN_NINJA}" CACHE FILEPATH "Ninja that takes compiles from cchain" FORCE)
elseif(CCHAIN_COMMAND)
  foreach(language C CXX)
    if(NOT DEFINED CMAKE_${language}_COMPILER_LAUNCHER)
      set(CMAKE_${language}_COMPILER_LAUNCHER "${CCHAIN_COMMAND}" CACHE STRING "in front of the compiler")
    endif()
  endforeach()
endif()
