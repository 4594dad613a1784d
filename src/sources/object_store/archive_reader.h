// What is asked of the store of one archive: S3Client's part that the catalogue needs, so that
// tests can give a bucket of their own. Threads: the loop's. Destroying a task ends its request.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/task.h"
#include "discovery/archives.h"
#include "model/archive.h"
#include "sources/object_store/object_reader.h"
#include "sources/object_store/s3_client.h"
#include "sources/source.h"

namespace keelwatch::sources {

class ArchiveReader : public ObjectReader {
 public:
  // As S3Client has them.
  [[nodiscard]] virtual Task<Result<S3Page>> list(S3ListRequest request, SteadyTime deadline) = 0;
  [[nodiscard]] virtual Task<Result<std::string>> get(std::string key, std::size_t max_bytes,
                                                      SteadyTime deadline) = 0;
  [[nodiscard]] virtual Task<Result<std::string>> get_first(std::string key, std::size_t bytes,
                                                            SteadyTime deadline) = 0;
  [[nodiscard]] virtual Task<Result<model::BucketSettings>> settings(std::string prefix,
                                                                     SteadyTime deadline) = 0;
  [[nodiscard]] virtual S3Traffic traffic() const = 0;
};

using OpenArchive = std::function<std::unique_ptr<ArchiveReader>(const discovery::ArchiveTarget&)>;

// Opens the archives over S3.
[[nodiscard]] OpenArchive open_over_s3(SourceContext context);

}  // namespace keelwatch::sources
