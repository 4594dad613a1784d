#include "base/file_watch.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "base/file.h"

using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace keelwatch {
namespace {

using Paths = std::vector<std::string>;

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/keelwatch-watch-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
    return path_ / name;
  }
  [[nodiscard]] fs::path path() const { return path_; }

 private:
  fs::path path_;
};

Task<Paths> next_change(EventLoop& loop, FileWatch& watch, std::string path) {
  Paths seen;
  Signal signal(loop);
  const auto on_change = [&](const Paths& paths) {
    seen = paths;
    signal.notify_all();
  };
  TaskScope scope;
  scope.spawn(watch_files(loop, watch, 1ms, on_change));
  std::ofstream(path) << "new";
  co_await signal.wait_until(loop.after(10s));
  co_return seen;
}

}  // namespace

TEST_CASE("a file's new content is noticed once", "[file_watch]") {
  const Folder folder;
  const std::string a = folder.write("a", "1");
  const std::string b = folder.write("b", "1");
  FileWatch watch;
  watch.set_files({a, b});
  CHECK(watch.poll().empty());
  (void)folder.write("b", "2");
  CHECK(watch.poll() == Paths{b});
  CHECK(watch.poll().empty());
  (void)folder.write("b", "2");  // written, not changed
  CHECK(watch.poll().empty());
}

TEST_CASE("the same size and time of change do not hide a new content", "[file_watch]") {
  const Folder folder;
  const std::string a = folder.write("a", "secret1");
  const fs::file_time_type time = fs::last_write_time(a);
  FileWatch watch;
  watch.set_files({a});
  std::fstream(a, std::ios::in | std::ios::out) << "secret2";
  fs::last_write_time(a, time);
  CHECK(watch.poll() == Paths{a});
}

TEST_CASE("the swap of a mounted Secret's ..data link is noticed", "[file_watch]") {
  const Folder folder;
  fs::create_directory(folder.path() / "..v1");
  fs::create_directory(folder.path() / "..v2");
  (void)folder.write("..v1/password", "one");
  (void)folder.write("..v2/password", "two");
  fs::create_directory_symlink("..v1", folder.path() / "..data");
  fs::create_symlink("..data/password", folder.path() / "password");
  const std::string path = folder.path() / "password";
  FileWatch watch;
  watch.set_files({path});
  // As kubelet does it: a new link, renamed over the old one, then the old folder is removed.
  fs::create_directory_symlink("..v2", folder.path() / "..data_tmp");
  fs::rename(folder.path() / "..data_tmp", folder.path() / "..data");
  fs::remove_all(folder.path() / "..v1");
  CHECK(watch.poll() == Paths{path});
  CHECK(watch.poll().empty());
}

TEST_CASE("a file that comes, goes or cannot be read has changed", "[file_watch]") {
  const Folder folder;
  const std::string a = folder.path() / "a";
  FileWatch watch(10);
  watch.set_files({a});
  CHECK(watch.poll().empty());
  (void)folder.write("a", "1");
  CHECK(watch.poll() == Paths{a});
  (void)folder.write("a", "longer than ten bytes");
  CHECK(watch.poll() == Paths{a});
  fs::remove(a);
  CHECK(watch.poll() == Paths{a});
  fs::create_directory(a);
  CHECK(watch.poll() == Paths{a});
  CHECK(watch.poll().empty());
}

TEST_CASE("an empty file differs from one that is not there", "[file_watch]") {
  const Folder folder;
  const std::string a = folder.path() / "a";
  FileWatch watch;
  watch.set_files({a});
  (void)folder.write("a", "");
  CHECK(watch.poll() == Paths{a});
}

TEST_CASE("a changed set of files keeps what is known of the old ones", "[file_watch]") {
  const Folder folder;
  const std::string a = folder.write("a", "1");
  const std::string b = folder.write("b", "1");
  FileWatch watch;
  watch.set_files({a});
  (void)folder.write("a", "2");
  (void)folder.write("b", "2");
  watch.set_files({b, a, a});  // in between: a's change must not be lost
  CHECK(watch.poll() == Paths{a});
  watch.set_files({b});
  (void)folder.write("a", "3");
  CHECK(watch.poll().empty());
}

TEST_CASE("watching calls back from the event loop", "[file_watch]") {
  const Folder folder;
  const std::string a = folder.write("a", "old");
  FileWatch watch;
  watch.set_files({a});
  EventLoop loop;
  CHECK(loop.block_on(next_change(loop, watch, a)) == Paths{a});
}

TEST_CASE("reading a file says why it cannot, and does not wait for a pipe", "[file]") {
  const Folder folder;
  const std::string a = folder.write("a", "12345");
  REQUIRE(mkfifo((folder.path() / "pipe").c_str(), 0600) == 0);
  CHECK(*read_file(a, 5) == "12345");
  CHECK(read_file(a, 4).error().code() == ErrorCode::kTooLarge);
  CHECK(read_file(folder.path() / "none", 5).error() ==
        Error(ErrorCode::kNotFound,
              (folder.path() / "none").string() + ": No such file or directory"));
  CHECK(read_file(folder.path(), 5).error().code() == ErrorCode::kInvalid);
  CHECK(read_file(folder.path() / "pipe", 5).error().code() == ErrorCode::kInvalid);
}

}  // namespace keelwatch
