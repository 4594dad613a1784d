#include "sources/object_store/archive_reader.h"

#include <utility>

namespace keelwatch::sources {
namespace {

class S3Reader final : public ArchiveReader {
 public:
  S3Reader(SourceContext context, S3Bucket bucket)
      : client_(context, std::move(bucket)), objects_(read_bucket(client_)) {}

  Task<Result<S3Page>> list(S3ListRequest request, SteadyTime deadline) override {
    return client_.list(std::move(request), deadline);
  }
  Task<Result<std::string>> get(std::string key, std::size_t max_bytes,
                                SteadyTime deadline) override {
    return client_.get(std::move(key), max_bytes, deadline);
  }
  Task<Result<std::string>> get_first(std::string key, std::size_t bytes,
                                      SteadyTime deadline) override {
    return client_.get_first(std::move(key), bytes, deadline);
  }
  Task<Result<model::BucketSettings>> settings(std::string prefix, SteadyTime deadline) override {
    return client_.settings(std::move(prefix), deadline);
  }
  Task<Result<std::unique_ptr<ObjectStream>>> open(std::string key, SteadyTime deadline) override {
    return objects_->open(std::move(key), deadline);
  }
  S3Traffic traffic() const override { return client_.traffic(); }

 private:
  S3Client client_;
  std::unique_ptr<ObjectReader> objects_;
};

}  // namespace

OpenArchive open_over_s3(SourceContext context) {
  return [context](const discovery::ArchiveTarget& target) -> std::unique_ptr<ArchiveReader> {
    return std::make_unique<S3Reader>(
        context,
        S3Bucket{target.id.endpoint, target.id.bucket, target.region, target.path_style,
                 target.ca_pem, target.access_key, target.secret_key, target.session_token});
  };
}

}  // namespace keelwatch::sources
