# keelwatch_embedded: page, rules and runbooks inside the program, so that it pages without any file
# beside it. A generated assembler file takes each with .incbin; OBJECT_DEPENDS rebuilds it when one
# changes, CONFIGURE_DEPENDS when one is added. src/http/embedded.h is its interface.
file(GLOB embedded_files CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/src/http/page/*
  ${PROJECT_SOURCE_DIR}/rules/*.yaml
  ${PROJECT_SOURCE_DIR}/rules/runbooks/*.md)

set(assembler "    .section .rodata\n")
set(declarations "")
set(entries "")
set(number 0)
foreach(path ${embedded_files})
  file(RELATIVE_PATH name ${PROJECT_SOURCE_DIR} ${path})
  string(REGEX REPLACE "^src/http/" "" name ${name})
  set(symbol keelwatch_embedded_${number})
  string(APPEND assembler
    "    .global ${symbol}, ${symbol}_end\n${symbol}:\n    .incbin \"${path}\"\n${symbol}_end:\n    .byte 0\n")
  string(APPEND declarations "extern const char ${symbol}[], ${symbol}_end[];\n")
  string(APPEND entries "      {\"${name}\", {${symbol}, static_cast<std::size_t>(${symbol}_end - ${symbol})}},\n")
  math(EXPR number "${number} + 1")
endforeach()
string(APPEND assembler "    .section .note.GNU-stack,\"\",%progbits\n")

set(generated ${PROJECT_BINARY_DIR}/generated)
file(CONFIGURE OUTPUT ${generated}/embedded.S CONTENT "${assembler}" @ONLY)
file(CONFIGURE OUTPUT ${generated}/embedded.cc @ONLY CONTENT [=[
#include "http/embedded.h"

extern "C" {
@declarations@}

namespace keelwatch::http {

const std::vector<EmbeddedFile>& embedded_files() {
  static const std::vector<EmbeddedFile> files = {
@entries@  };
  return files;
}

}  // namespace keelwatch::http
]=])
set_source_files_properties(${generated}/embedded.S PROPERTIES OBJECT_DEPENDS "${embedded_files}")

add_library(keelwatch_embedded STATIC ${generated}/embedded.S ${generated}/embedded.cc)
target_include_directories(keelwatch_embedded PRIVATE ${PROJECT_SOURCE_DIR}/src)
