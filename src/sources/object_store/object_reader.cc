#include "sources/object_store/object_reader.h"

#include <utility>

#include "sources/object_store/s3_client.h"

namespace keelwatch::sources {
namespace {

class BucketStream final : public ObjectStream {
 public:
  explicit BucketStream(HttpStream stream) : stream_(std::move(stream)) {}
  Task<Result<std::optional<std::string>>> next(SteadyTime deadline) override {
    return stream_.next(deadline);
  }

 private:
  HttpStream stream_;
};

class BucketReader final : public ObjectReader {
 public:
  explicit BucketReader(S3Client& client) : client_(client) {}
  Task<Result<std::unique_ptr<ObjectStream>>> open(std::string key, SteadyTime deadline) override {
    Result<HttpStream> stream = co_await client_.open(std::move(key), deadline);
    if (!stream) co_return std::move(stream).error();
    co_return std::unique_ptr<ObjectStream>(std::make_unique<BucketStream>(*std::move(stream)));
  }

 private:
  S3Client& client_;
};

}  // namespace

std::unique_ptr<ObjectReader> read_bucket(S3Client& client) {
  return std::make_unique<BucketReader>(client);
}

}  // namespace keelwatch::sources
