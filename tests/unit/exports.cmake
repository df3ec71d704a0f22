# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# cmake -DNM=nm -DLIBRARY=libringfence.so -DHEADERS=include/ringfence -P ...
#
# What the shared library exports is what the public headers declare: no symbol
# more, none less. (Policies are objects of the programs, not of the library.)
file(GLOB headers ${HEADERS}/*.h)
set(declared "")
foreach(header ${headers})
	file(READ ${header} text)
	# Comments first, so that prose about a function is no declaration.
	string(REGEX REPLACE "/\\*([^*]|\\*+[^*/])*\\*+/" "" text "${text}")
	# typedefs and macro bodies declare nothing.
	string(REGEX REPLACE "typedef[^;]*;" "" text "${text}")
	string(REGEX REPLACE "\\\\\n[^\n]*" "" text "${text}")
	string(REGEX REPLACE "#define[^\n]*" "" text "${text}")
	string(REGEX MATCHALL "[ *\n]rf_[a-z0-9_]+\\(" found "${text}")
	foreach(f ${found})
		string(REGEX REPLACE "[ *\n(]" "" f "${f}")
		list(APPEND declared ${f})
	endforeach()
endforeach()
list(SORT declared)
list(REMOVE_DUPLICATES declared)

execute_process(COMMAND ${NM} -D --defined-only ${LIBRARY}
	OUTPUT_VARIABLE out COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL " [A-Z] [^\n]+" lines "${out}")
set(exported "")
foreach(line ${lines})
	string(REGEX REPLACE "^ [A-Z] ([^@\n]+).*" "\\1" name "${line}")
	if(NOT name MATCHES "^RINGFENCE_")
		list(APPEND exported ${name})
	endif()
endforeach()
list(SORT exported)

list(LENGTH exported nr)
if(nr EQUAL 0)
	message(FATAL_ERROR "${LIBRARY} exports nothing")
endif()
set(missing ${declared})
list(REMOVE_ITEM missing ${exported})
set(surplus ${exported})
list(REMOVE_ITEM surplus ${declared})
if(missing OR surplus)
	message(FATAL_ERROR "declared in a header but not exported (append to "
		"src/ringfence.map): ${missing}\n"
		"exported but in no public header: ${surplus}")
endif()
message(STATUS "${nr} symbols, each declared in a public header")
