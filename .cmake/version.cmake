cmake_policy(VERSION 3.25)
# Writes OUT when its content changes. Run at build time: cmake -DSOURCE=… -DVERSION=… -DOUT=… -P …
execute_process(COMMAND git describe --always --dirty --abbrev=12 WORKING_DIRECTORY ${SOURCE}
  OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT revision)
  set(revision unknown)
endif()
file(CONFIGURE OUTPUT ${OUT} @ONLY CONTENT
"#include \"app/version.h\"

namespace keelwatch::app {

const std::string_view kVersion = \"@VERSION@\";
const std::string_view kRevision = \"@revision@\";

}  // namespace keelwatch::app
")
