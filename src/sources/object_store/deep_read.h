// Reads one stored object through its decompression, for the deep passes.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "sources/object_store/object_reader.h"

namespace keelwatch::sources {

// What reading an object came to: it was read to its end, given up because nothing more was wanted,
// or its bytes are not what its name says.
struct DeepRead {
  bool whole = false;
  std::string damage;             // of the compression; empty: none
  bool short_for_python = false;  // of a damage: Decompressor::python_takes_end()
};

// Calls taken(bytes) with every stretch of the decompressed object; false: no more is wanted.
// progress.done grows with every piece and must outlive the task, as must reader, loop and options.
// Errors: those of the store; the object's bytes then are unknown.
[[nodiscard]] Task<Result<DeepRead>> deep_read(EventLoop& loop, ObjectReader& reader,
                                               std::string key,
                                               std::function<bool(std::string_view)> taken,
                                               const DeepOptions& options, DeepProgress& progress);

}  // namespace keelwatch::sources
