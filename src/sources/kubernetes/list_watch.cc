#include "sources/kubernetes/list_watch.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/time_text.h"

namespace keelwatch::sources {
namespace {

// An object is at most 1.5 MiB in etcd; a frame holds one, as JSON.
constexpr std::size_t kMaxFrame = std::size_t{16} << 20U;
constexpr std::size_t kMaxRefusal = std::size_t{64} << 10U;

std::uint32_t random_seed() { return std::random_device()(); }

}  // namespace

Reflector::Reflector(SourceContext context, ApiServer& api, JsonReader& reader,
                     const KindInfo& kind, Selection selection, ReflectorTiming timing,
                     ObjectStore& store, std::function<void()> changed)
    : context_(context),
      api_(api),
      reader_(reader),
      kind_(kind),
      selection_(std::move(selection)),
      timing_(timing),
      store_(store),
      changed_(std::move(changed)),
      failures_(timing.backoff_first, timing.backoff_cap, random_seed()),
      broken_frames_(timing.backoff_first, timing.backoff_cap, random_seed()),
      random_(random_seed()) {}

Task<> Reflector::run() {
  for (;;) {
    std::optional<Error> error;
    Next next = Next::kResume;
    if (resource_version_.empty()) {
      const Result<void> listed = co_await list();
      if (!listed) error = listed.error();
    } else {
      const Result<Next> ended = co_await watch();
      if (ended)
        next = *ended;
      else
        error = ended.error();
      status_.connected_since.reset();
    }
    if (error) failed(*error);
    if (next == Next::kListAgain || next == Next::kPauseThenListAgain) resource_version_.clear();
    if (!error && kind_.polled) {
      resource_version_.clear();
      failures_.reset();
      co_await context_.loop.sleep_for(timing_.poll);
    } else if (error && error->code() == ErrorCode::kNotInstalled) {
      co_await context_.loop.sleep_for(timing_.not_installed_recheck);
    } else if (next == Next::kPauseThenListAgain) {
      co_await context_.loop.sleep_for(broken_frames_.next());
    } else if (error || next == Next::kPauseThenResume) {
      co_await context_.loop.sleep_for(failures_.next());
    }
  }
}

// Listing ---------------------------------------------------------------------------------------

Task<Result<void>> Reflector::list() {
  const SteadyTime begun = context_.clock.steady();
  const WallTime asked = context_.clock.wall();
  const int page_size = kind_.page_size > 0 ? kind_.page_size : timing_.page_size;
  Result<void> listed = co_await list_pages(page_size);
  if (!listed && is_gone(listed.error())) {
    // The server compacted its history between two pages: once more, then without pages, as
    // client-go's pager does.
    listed = co_await list_pages(page_size);
    if (!listed && is_gone(listed.error())) listed = co_await list_pages(0);
  }
  if (!listed) co_return listed;
  store_.finish_listing();
  listed_at_ = context_.loop.now();
  status_.last_duration = context_.clock.steady() - begun;
  status_.listed = true;
  status_.evidence = asked;
  recovered();
  changed_();
  co_return Result<void>();
}

std::string Reflector::list_path(int page_size, std::string_view token) const {
  std::string query = selectors();
  if (page_size > 0) query += fmt::format("limit={}&", page_size);
  if (!token.empty()) query += "continue=" + percent_encode(token) + "&";
  std::string path = resource_path(kind_, selection_.ns);
  if (query.empty()) return path;
  query.pop_back();
  return path + "?" + query;
}

std::string Reflector::selectors() const {
  std::string query;
  if (!selection_.name.empty()) {
    query += "fieldSelector=" + percent_encode("metadata.name=" + selection_.name) + "&";
  }
  if (!selection_.labels.empty()) {
    query += "labelSelector=" + percent_encode(selection_.labels) + "&";
  }
  return query;
}

std::string Reflector::what(std::string_view verb) const {
  return fmt::format("{} {}", verb, resource_and_scope(kind_, selection_.ns, selection_.name));
}

Task<Result<void>> Reflector::list_pages(int page_size) {
  store_.begin_listing();
  std::string token;
  std::string version;
  do {
    ++status_.requests;
    const SteadyTime deadline = context_.loop.after(timing_.request_timeout);
    Result<HttpResponse> page = co_await api_.get(list_path(page_size, token), deadline);
    const std::string asked = what("list");
    if (!page) co_return page.error().context(asked);
    if (page->status != 200) co_return explain(page->status, page->body, "list");
    Result<Page> read = read_page(page->body);
    if (!read) co_return read.error().context(asked);
    token = std::move(read->continue_token);
    version = std::move(read->resource_version);  // all pages of a listing have the same
  } while (!token.empty());
  resource_version_ = std::move(version);
  co_return Result<void>();
}

Result<Reflector::Page> Reflector::read_page(std::string_view body) {
  const JsonValue root = reader_.parse(body);
  Page page{text_or_empty(root["metadata"]["resourceVersion"]),
            text_or_empty(root["metadata"]["continue"])};
  const bool is_list = root["kind"].string().value_or("").ends_with("List");
  if (auto ok = reader_.finish(); !ok) return ok.error();
  if (!is_list || page.resource_version.empty()) {
    return Error(ErrorCode::kMalformed, "the answer is not a Kubernetes list");
  }
  std::optional<Error> problem;
  root["items"].for_each([&](JsonValue object) {
    if (problem) return;
    const Result<ObjectIdentity> id = decode_identity(reader_, object);
    if (id)
      store_.add_listed(reader_, object, *id);
    else
      problem = id.error();
  });
  if (problem) return *problem;
  if (auto ok = reader_.finish(); !ok) return ok.error();
  return page;
}

// Watching --------------------------------------------------------------------------------------

std::string Reflector::watch_path() {
  using std::chrono::seconds;
  const auto least = std::chrono::duration_cast<seconds>(timing_.watch_lifetime).count();
  std::uniform_int_distribution<std::int64_t> lifetime(std::max<std::int64_t>(least, 1),
                                                       std::max<std::int64_t>(2 * least, 1));
  return fmt::format(
      "{}?{}watch=true&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
      resource_path(kind_, selection_.ns), selectors(), percent_encode(resource_version_),
      lifetime(random_));
}

Task<Result<Reflector::Next>> Reflector::watch() {
  ++status_.requests;
  const SteadyTime deadline = context_.loop.after(timing_.request_timeout);
  Result<HttpStream> stream = co_await api_.open(watch_path(), deadline);
  if (!stream) co_return stream.error().context(what("watch"));
  if (stream->response().status != 200) co_return co_await refused_watch(std::move(*stream));
  co_return co_await follow(std::move(*stream));
}

Task<Result<Reflector::Next>> Reflector::refused_watch(HttpStream stream) {
  const SteadyTime deadline = context_.loop.after(timing_.request_timeout);
  std::string body;
  while (body.size() < kMaxRefusal) {
    Result<std::optional<std::string>> piece = co_await stream.next(deadline);
    if (!piece || !*piece) break;
    body += **piece;
  }
  const Error error = explain(stream.response().status, body, "watch");
  if (is_gone(error)) co_return gone();
  co_return error;
}

// Any web server can answer 200 and close: a stream counts as working from its first frame on, or
// once it has lived for a while.
void Reflector::settled() {
  if (status_.connected_since) return;
  recovered();
  failures_.reset();
  status_.connected_since = context_.clock.wall();
}

Task<Result<Reflector::Next>> Reflector::follow(HttpStream stream) {
  const SteadyTime opened = context_.loop.now();
  SteadyTime last_heard = opened;
  LineSplitter lines(kMaxFrame);
  for (;;) {
    const SteadyTime deadline =
        status_.connected_since ? last_heard + timing_.watch_silence : opened + timing_.settle;
    Result<std::optional<std::string>> piece = co_await stream.next(deadline);
    if (!piece && piece.error().code() == ErrorCode::kTimeout && !status_.connected_since) {
      settled();
      changed_();
      continue;
    }
    if (!piece || !*piece) co_return stream_ended(piece, lines.rest());
    last_heard = context_.loop.now();
    Result<void> applied;
    const bool whole = lines.push(**piece, [&](std::string_view frame) {
      applied = apply(frame);
      if (applied) settled();
      return applied.has_value();
    });
    changed_();
    if (whole) continue;
    if (applied) applied = Error(ErrorCode::kTooLarge, "a watch frame is too large");
    if (is_gone(applied.error())) co_return gone();
    co_return broken_frame(applied.error());
  }
}

WallTime Reflector::observed_at() const {
  const WallTime evidence = *status_.evidence;
  const auto healthy = api_.healthy_at();
  if (!status_.connected_since || !healthy || *healthy < *status_.connected_since) return evidence;
  return std::max(evidence, *healthy);
}

// For a stream that ends and was not dead: what the health checks vouched for stays so.
void Reflector::keep_observed_at() { status_.evidence = observed_at(); }

Result<Reflector::Next> Reflector::stream_ended(const Result<std::optional<std::string>>& end,
                                                std::string_view rest) {
  // The server ends a stream between frames; half a frame comes of a cut, and comes again whole.
  if (end && !rest.empty()) {
    return broken_frame(Error(ErrorCode::kMalformed, "the watch ended within a frame"));
  }
  if (!status_.connected_since) {
    const std::string asked = what("watch");
    return end ? Error(ErrorCode::kUnavailable, asked + ": ended at once")
               : end.error().context(asked);
  }
  if (end) {
    keep_observed_at();
    return Next::kResume;
  }
  count(end.error());
  if (end.error().code() == ErrorCode::kTimeout) {
    // It may have been dead all the time: the health checks do not vouch for it.
    context_.log.warn("kubernetes", "watch is silent, listing again",
                      {{"kind", kind_.kind}, {"silence", format_duration(timing_.watch_silence)}});
    return Next::kListAgain;
  }
  keep_observed_at();
  context_.log.debug("kubernetes", "watch was cut, resuming",
                     {{"kind", kind_.kind}, {"err", end.error()}});
  return Next::kPauseThenResume;
}

Reflector::Next Reflector::broken_frame(const Error& error) {
  keep_observed_at();
  count(error);
  context_.log.warn("kubernetes", "watch brought an error, listing again",
                    {{"kind", kind_.kind}, {"err", error}});
  return Next::kPauseThenListAgain;
}

Reflector::Next Reflector::gone() {
  keep_observed_at();
  context_.log.info("kubernetes", "watch is too far behind, listing again", {{"kind", kind_.kind}});
  // Straight after a listing this would go round without end.
  return context_.loop.now() - listed_at_ < timing_.settle ? Next::kPauseThenListAgain
                                                           : Next::kListAgain;
}

Result<void> Reflector::apply(std::string_view frame) {
  const JsonValue root = reader_.parse(frame);
  const std::string type = text_or_empty(root["type"]);
  const JsonValue object = root["object"];
  if (auto ok = reader_.finish(); !ok) return std::move(ok).error().context("watch frame");
  if (type == "ERROR") {
    const auto code = object["code"].integer().value_or(500);
    return refusal(static_cast<int>(code), object.raw(), what("watch"));
  }
  if (type == "BOOKMARK") {
    // A bookmark is an object of the kind with a resourceVersion only.
    std::string version = text_or_empty(object["metadata"]["resourceVersion"]);
    if (version.empty()) return Error(ErrorCode::kMalformed, "bookmark without resourceVersion");
    resource_version_ = std::move(version);
  } else {
    const bool deleted = type == "DELETED";
    if (!deleted && type != "ADDED" && type != "MODIFIED") {
      return Error(ErrorCode::kMalformed,
                   fmt::format("watch frame of type \"{}\"", type.substr(0, 32)));
    }
    Result<ObjectIdentity> id = decode_identity(reader_, object);
    if (!id) return std::move(id).error().context("watch frame");
    if (deleted)
      store_.erase(*id);
    else
      store_.put(reader_, object, *id);
    resource_version_ = std::move(id->resource_version);
  }
  status_.evidence = context_.clock.wall();
  return {};
}

// Failures --------------------------------------------------------------------------------------

Error Reflector::explain(int status, std::string_view body, std::string_view verb) const {
  Error error = refusal(status, body, what(verb));
  if (error.code() != ErrorCode::kNotFound) return error;
  // Every API server has the core group, and every one says its 404 in its own words.
  if (kind_.group.empty() || !is_api_not_found(body)) {
    return Error(ErrorCode::kNotFound, error.message() + ": is this a Kubernetes API server?");
  }
  return Error(ErrorCode::kNotInstalled,
               fmt::format("{}/{} {} is not installed", kind_.group, kind_.version, kind_.plural));
}

void Reflector::failed(const Error& error) {
  const bool news = !status_.error || status_.error->code() != error.code();
  status_.error = error;
  if (error.code() == ErrorCode::kNotInstalled) {
    store_.clear();
    status_.listed = false;
    resource_version_.clear();
    if (news) {
      context_.log.info("kubernetes", "kind is not installed", {{"kind", kind_.kind}});
    }
  } else {
    count(error);
    // What may not be read now may have changed unseen.
    if (error.code() == ErrorCode::kForbidden || error.code() == ErrorCode::kUnauthorized) {
      resource_version_.clear();
    }
    if (news) {
      context_.log.warn("kubernetes", "kind cannot be read",
                        {{"kind", kind_.kind}, {"namespace", selection_.ns}, {"err", error}});
    }
  }
  changed_();
}

void Reflector::recovered() {
  if (!status_.error) return;
  status_.error.reset();
  context_.log.info("kubernetes", "kind is read again",
                    {{"kind", kind_.kind}, {"namespace", selection_.ns}});
}

void Reflector::count(const Error& error) {
  ++status_.errors[std::string(to_string(error.code()))];
}

}  // namespace keelwatch::sources
