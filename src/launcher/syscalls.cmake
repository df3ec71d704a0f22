# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# The names of the x86-64 system calls as this machine's headers have them, one
# initializer a line: [41] = "socket",
#   cmake -DCC=compiler -DOUT=file -P syscalls.cmake
execute_process(
	COMMAND ${CC} -E -dM -x c -include asm/unistd_64.h /dev/null
	OUTPUT_VARIABLE macros COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "#define __NR_[a-z0-9_]+ [0-9]+" lines "${macros}")
set(text "")
foreach(line IN LISTS lines)
	string(REGEX REPLACE "#define __NR_([a-z0-9_]+) ([0-9]+)"
		"\t[\\2] = \"\\1\",\n" entry "${line}")
	string(APPEND text "${entry}")
endforeach()
list(LENGTH lines nr)
if(nr LESS 300)
	message(FATAL_ERROR "asm/unistd_64.h names ${nr} system calls only")
endif()
file(WRITE ${OUT} "${text}")
