# Tail calls stay on: without them GCC's symmetric transfer between coroutines grows the stack.
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g -foptimize-sibling-calls -D_GLIBCXX_ASSERTIONS" CACHE STRING "")
