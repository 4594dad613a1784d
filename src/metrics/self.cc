#include "metrics/self.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <atomic>

#include "base/published.h"
#include "metrics/process.h"
#include "metrics/text.h"

namespace keelwatch::metrics {
namespace {

constexpr Family kBuildInfo("keelwatch_build_info", Type::kGauge,
                            "Constant 1: the running keelwatch and what built it.",
                            {"version", "revision", "compiler"});
constexpr Family kConfigGood("keelwatch_config_last_reload_successful", Type::kGauge,
                             "1 if the configuration and the web configuration, as last read, are "
                             "good; 0 if one is not: of that one the last good runs on, at the "
                             "start the defaults.",
                             {});
constexpr Family kConfigGoodTime(
    "keelwatch_config_last_reload_success_timestamp_seconds", Type::kGauge,
    "When the configuration files were last read and all of them good; "
    "absent before.",
    {});
constexpr Family kStepDuration(
    "keelwatch_step_duration_seconds", Type::kHistogram,
    "Time to turn one snapshot into samples, of steps that did not fail.", {});
constexpr Family kSteps("keelwatch_steps_total", Type::kCounter,
                        "Steps that did not fail, since the start.", {});
constexpr Family kOverruns("keelwatch_step_overruns_total", Type::kCounter,
                           "Steps that took longer than their slot, since the start.", {});
constexpr Family kSnapshotAge("keelwatch_snapshot_age_seconds", Type::kGauge,
                              "Age of the newest snapshot when this page was rendered; before the "
                              "first one, the time since the start.",
                              {});
constexpr Family kRequests("keelwatch_http_requests_total", Type::kCounter,
                           "Answers to requests for metrics, health, reload and API by route "
                           "and status code; not those of pages, of unknown paths and to clients "
                           "that are refused. Absent until the first.",
                           {"handler", "code"});
constexpr Family kRender(
    "keelwatch_page_render_duration_seconds", Type::kHistogram,
    "Time to print and compress one page of a snapshot, once per form that is asked for.", {});
constexpr Family kLogLines("keelwatch_log_lines_total", Type::kCounter,
                           "Log lines by level since the start, whether printed or not.",
                           {"level"});
constexpr Family kSent("prometheus_notifications_sent_total", Type::kCounter,
                       "Alerts in batches that were sent to an Alertmanager since the start, "
                       "whatever it answered.",
                       {"alertmanager"});
constexpr Family kSendErrors("prometheus_notifications_errors_total", Type::kCounter,
                             "Those of them whose batch was not acknowledged; they are sent again.",
                             {"alertmanager"});
constexpr Family kDropped("prometheus_notifications_dropped_total", Type::kCounter,
                          "Alerts given up since the start: there was no room for them, or the "
                          "Alertmanager refuses them.",
                          {"alertmanager"});
constexpr Family kQueueLength("prometheus_notifications_queue_length", Type::kGauge,
                              "Alerts whose newest state an Alertmanager has not acknowledged yet.",
                              {"alertmanager"});
constexpr Family kQueueCapacity("prometheus_notifications_queue_capacity", Type::kGauge,
                                "How many such alerts there is room for.", {"alertmanager"});
constexpr Family kSendLatency("prometheus_notifications_latency_histogram_seconds",
                              Type::kHistogram,
                              "Time until an Alertmanager answered a batch, or did not.",
                              {"alertmanager"});
constexpr Family kAlertmanagers("prometheus_notifications_alertmanagers_discovered", Type::kGauge,
                                "Alertmanagers that are told of alerts; absent until the "
                                "configuration has been read.",
                                {});
constexpr Family kUntold("keelwatch_alerts_untold", Type::kGauge,
                         "Critical alerts that fire and of which, as far as Alertmanagers tell, "
                         "nobody was told; absent without an Alertmanager.",
                         {});
constexpr Family kHeartbeat("keelwatch_heartbeat_last_success_timestamp_seconds", Type::kGauge,
                            "When the heartbeat was last heard; absent before.", {});
constexpr Family kStateWritable("keelwatch_state_writable", Type::kGauge,
                                "1 if the state of alerts is being kept, 0 if the disk takes too "
                                "long or does not take it; absent without a state file.",
                                {});

constexpr Family kCpu("process_cpu_seconds_total", Type::kCounter,
                      "User and system CPU time of this process, from /proc/self/stat.", {});
constexpr Family kMaxFds("process_max_fds", Type::kGauge,
                         "Soft limit of open file descriptors, from getrlimit.", {});
constexpr Family kOpenFds("process_open_fds", Type::kGauge,
                          "Open file descriptors, from /proc/self/fd; absent when it cannot be "
                          "listed.",
                          {});
constexpr Family kResident("process_resident_memory_bytes", Type::kGauge,
                           "Resident memory, from /proc/self/stat.", {});
constexpr Family kStartTime("process_start_time_seconds", Type::kGauge,
                            "When this process started, from /proc/self/stat and the boot time.",
                            {});
constexpr Family kVirtual("process_virtual_memory_bytes", Type::kGauge,
                          "Virtual memory, from /proc/self/stat.", {});

constexpr const Family* kFamilies[] = {
    &kBuildInfo,   &kConfigGood,    &kConfigGoodTime, &kRequests,    &kLogLines,
    &kRender,      &kSnapshotAge,   &kStepDuration,   &kOverruns,    &kSteps,
    &kSent,        &kSendErrors,    &kDropped,        &kQueueLength, &kQueueCapacity,
    &kSendLatency, &kAlertmanagers, &kUntold,         &kHeartbeat,   &kStateWritable,
    &kCpu,         &kMaxFds,        &kOpenFds,        &kResident,    &kStartTime,
    &kVirtual,
};

// No whole number among them: OpenMetrics would spell it "1.0" and text 0.0.4 "1", two series. None
// that is shorter with an exponent either: people query for le="0.001".
prometheus::Histogram::BucketBoundaries buckets() {
  return {0.00025, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 2.5};
}

// Of one request to a peer: it may take as long as its deadline.
prometheus::Histogram::BucketBoundaries send_buckets() {
  return {0.0025, 0.01, 0.025, 0.1, 0.25, 0.5, 2.5, 7.5, 12.5};
}

#if defined(__clang__)
constexpr std::string_view kCompiler = "clang " __clang_version__;
#else
constexpr std::string_view kCompiler = "gcc " __VERSION__;
#endif

template <typename Builder>
auto& add(prometheus::Registry& registry, Builder builder, const Family& family) {
  return builder.Name(std::string(family.name()))
      .Help(std::string(family.help()))
      .Register(registry);
}

prometheus::MetricFamily process_family(const Family& family, std::optional<double> value) {
  prometheus::MetricFamily made{
      std::string(family.name()), std::string(family.help()), prometheus::MetricType::Gauge, {}};
  if (family.type() == Type::kCounter) made.type = prometheus::MetricType::Counter;
  if (!value) return made;
  prometheus::ClientMetric& metric = made.metric.emplace_back();
  (family.type() == Type::kCounter ? metric.counter.value : metric.gauge.value) = *value;
  return made;
}

std::vector<prometheus::MetricFamily> process_families() {
  const ProcessFacts facts = read_process();
  return {process_family(kCpu, facts.cpu_seconds),
          process_family(kMaxFds, facts.max_fds),
          process_family(kOpenFds, facts.open_fds),
          process_family(kResident, facts.resident_bytes),
          process_family(kStartTime, facts.start_time_seconds),
          process_family(kVirtual, facts.virtual_bytes)};
}

// name_suffix{labels,le="bound"} value
void append_sample(std::string& out, std::string_view name, std::string_view suffix,
                   const std::vector<prometheus::ClientMetric::Label>& labels, std::string_view le,
                   double value) {
  out.append(name).append(suffix);
  char before = '{';
  const auto append_label = [&](std::string_view label, std::string_view text) {
    if (text.empty()) return;
    out += before;
    out.append(label).append("=\"");
    append_label_value(out, text);
    out += '"';
    before = ',';
  };
  for (const auto& label : labels) append_label(label.name, label.value);
  append_label("le", le);
  if (before == ',') out += '}';
  out += ' ';
  append_number(out, value);
  out += '\n';
}

void append_histogram(std::string& out, std::string_view name,
                      const prometheus::ClientMetric& metric) {
  const auto count = static_cast<double>(metric.histogram.sample_count);
  for (const auto& bucket : metric.histogram.bucket) {
    std::string le;
    append_number(le, bucket.upper_bound);
    append_sample(out, name, "_bucket", metric.label, le,
                  static_cast<double>(bucket.cumulative_count));
  }
  append_sample(out, name, "_sum", metric.label, {}, metric.histogram.sample_sum);
  append_sample(out, name, "_count", metric.label, {}, count);
}

void append_family(std::string& out, const prometheus::MetricFamily& family, Format format) {
  if (family.metric.empty()) return;
  const Type type = family.type == prometheus::MetricType::Counter     ? Type::kCounter
                    : family.type == prometheus::MetricType::Histogram ? Type::kHistogram
                                                                       : Type::kGauge;
  append_header(out, family.name, type, family.help, format);
  for (const prometheus::ClientMetric& metric : family.metric) {
    if (type == Type::kHistogram) {
      append_histogram(out, family.name, metric);
    } else {
      append_sample(out, family.name, {}, metric.label, {},
                    type == Type::kCounter ? metric.counter.value : metric.gauge.value);
    }
  }
}

}  // namespace

struct SelfMetrics::Impl {
  explicit Impl(const Clock& c) : clock(c) {}

  const Clock& clock;
  mutable prometheus::Registry registry{prometheus::Registry::InsertBehavior::Throw};
  // A metric is added to its family when it has a value: the registry knows no "absent".
  prometheus::Family<prometheus::Gauge>& build =
      add(registry, prometheus::BuildGauge(), kBuildInfo);
  prometheus::Family<prometheus::Gauge>& config_good =
      add(registry, prometheus::BuildGauge(), kConfigGood);
  prometheus::Family<prometheus::Gauge>& config_good_time =
      add(registry, prometheus::BuildGauge(), kConfigGoodTime);
  prometheus::Family<prometheus::Gauge>& snapshot_age =
      add(registry, prometheus::BuildGauge(), kSnapshotAge);
  prometheus::Family<prometheus::Counter>& requests =
      add(registry, prometheus::BuildCounter(), kRequests);
  prometheus::Family<prometheus::Counter>& log_lines =
      add(registry, prometheus::BuildCounter(), kLogLines);
  prometheus::Counter& steps = add(registry, prometheus::BuildCounter(), kSteps).Add({});
  prometheus::Counter& overruns = add(registry, prometheus::BuildCounter(), kOverruns).Add({});
  prometheus::Histogram& step_duration =
      add(registry, prometheus::BuildHistogram(), kStepDuration).Add({}, buckets());
  prometheus::Histogram& render =
      add(registry, prometheus::BuildHistogram(), kRender).Add({}, buckets());

  prometheus::Family<prometheus::Counter>& sent = add(registry, prometheus::BuildCounter(), kSent);
  prometheus::Family<prometheus::Counter>& send_errors =
      add(registry, prometheus::BuildCounter(), kSendErrors);
  prometheus::Family<prometheus::Counter>& dropped =
      add(registry, prometheus::BuildCounter(), kDropped);
  prometheus::Family<prometheus::Gauge>& queue_length =
      add(registry, prometheus::BuildGauge(), kQueueLength);
  prometheus::Family<prometheus::Gauge>& queue_capacity =
      add(registry, prometheus::BuildGauge(), kQueueCapacity);
  prometheus::Family<prometheus::Histogram>& send_latency =
      add(registry, prometheus::BuildHistogram(), kSendLatency);
  prometheus::Family<prometheus::Gauge>& alertmanagers =
      add(registry, prometheus::BuildGauge(), kAlertmanagers);
  prometheus::Family<prometheus::Gauge>& untold = add(registry, prometheus::BuildGauge(), kUntold);
  prometheus::Family<prometheus::Gauge>& heartbeat =
      add(registry, prometheus::BuildGauge(), kHeartbeat);
  prometheus::Family<prometheus::Gauge>& state_writable =
      add(registry, prometheus::BuildGauge(), kStateWritable);

  Published<Samples> evaluation;

  static constexpr Duration kNoSnapshot = Duration::min();
  std::atomic<Duration::rep> snapshot{kNoSnapshot.count()};  // SteadyTime
};

SelfMetrics::SelfMetrics(const BuildInfo& build, const Clock& clock)
    : impl_(std::make_unique<Impl>(clock)) {
  impl_->build
      .Add({{"version", build.version},
            {"revision", build.revision},
            {"compiler", std::string(kCompiler)}})
      .Set(1);
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    impl_->log_lines.Add({{"level", std::string(to_string(level))}});
  }
}

SelfMetrics::~SelfMetrics() = default;

void SelfMetrics::config_loaded(bool good) {
  impl_->config_good.Add({}).Set(good ? 1 : 0);
  if (good) impl_->config_good_time.Add({}).Set(to_unix_seconds(impl_->clock.wall()));
}

void SelfMetrics::step_done(Duration took, Duration slot) {
  impl_->steps.Increment();
  if (took > slot) impl_->overruns.Increment();
  impl_->step_duration.Observe(to_seconds(took));
}

void SelfMetrics::snapshot_published(SteadyTime at) {
  impl_->snapshot.store(at.time_since_epoch().count(), std::memory_order_relaxed);
}

void SelfMetrics::http_request(std::string_view handler, int code) {
  impl_->requests.Add({{"handler", std::string(handler)}, {"code", std::to_string(code)}})
      .Increment();
}

void SelfMetrics::page_rendered(Duration took) { impl_->render.Observe(to_seconds(took)); }

void SelfMetrics::log_line(LogLevel level) {
  impl_->log_lines.Add({{"level", std::string(to_string(level))}}).Increment();
}

void SelfMetrics::notifications_sent(const std::string& alertmanager, std::size_t alerts, bool good,
                                     Duration took) {
  const prometheus::Labels labels = {{"alertmanager", alertmanager}};
  const auto count = static_cast<double>(alerts);
  impl_->sent.Add(labels).Increment(count);
  impl_->send_errors.Add(labels).Increment(good ? 0 : count);
  impl_->send_latency.Add(labels, send_buckets()).Observe(to_seconds(took));
}

void SelfMetrics::notifications_dropped(const std::string& alertmanager, std::size_t alerts) {
  impl_->dropped.Add({{"alertmanager", alertmanager}}).Increment(static_cast<double>(alerts));
}

void SelfMetrics::notification_queue(const std::string& alertmanager, std::size_t length,
                                     std::size_t capacity) {
  const prometheus::Labels labels = {{"alertmanager", alertmanager}};
  impl_->queue_length.Add(labels).Set(static_cast<double>(length));
  impl_->queue_capacity.Add(labels).Set(static_cast<double>(capacity));
  impl_->dropped.Add(labels);  // a zero from the start: a rate needs one
}

void SelfMetrics::alertmanagers_discovered(std::size_t count) {
  impl_->alertmanagers.Add({}).Set(static_cast<double>(count));
}

void SelfMetrics::alertmanager_gone(const std::string& alertmanager) {
  const prometheus::Labels labels = {{"alertmanager", alertmanager}};
  for (auto* family : {&impl_->queue_length, &impl_->queue_capacity}) {
    family->Remove(&family->Add(labels));
  }
  for (auto* family : {&impl_->sent, &impl_->send_errors, &impl_->dropped}) {
    family->Remove(&family->Add(labels));
  }
  impl_->send_latency.Remove(&impl_->send_latency.Add(labels, send_buckets()));
}

void SelfMetrics::alerts_untold(std::optional<std::size_t> count) {
  if (count) {
    impl_->untold.Add({}).Set(static_cast<double>(*count));
  } else {
    impl_->untold.Remove(&impl_->untold.Add({}));
  }
}

void SelfMetrics::heartbeat_sent(WallTime at) { impl_->heartbeat.Add({}).Set(to_unix_seconds(at)); }

void SelfMetrics::state_writable(bool writable) {
  impl_->state_writable.Add({}).Set(writable ? 1 : 0);
}

void SelfMetrics::evaluation(std::shared_ptr<const Samples> samples) {
  impl_->evaluation.publish(std::move(samples));
}

std::span<const Family* const> SelfMetrics::families() { return kFamilies; }

void SelfMetrics::append(std::string& out, Format format) const {
  const Duration snapshot(impl_->snapshot.load(std::memory_order_relaxed));
  if (snapshot != Impl::kNoSnapshot) {
    impl_->snapshot_age.Add({}).Set(to_seconds(impl_->clock.steady() - SteadyTime(snapshot)));
  }
  std::vector<prometheus::MetricFamily> families = impl_->registry.Collect();
  std::ranges::move(process_families(), std::back_inserter(families));
  // The registry keeps families by type and metrics in a hash map: neither is an order to show.
  std::ranges::sort(families, {}, &prometheus::MetricFamily::name);
  for (prometheus::MetricFamily& family : families) {
    std::ranges::sort(family.metric, std::less<>(), &prometheus::ClientMetric::label);
    append_family(out, family, format);
  }
  if (const auto evaluation = impl_->evaluation.read()) append_samples(out, *evaluation, format);
}

}  // namespace keelwatch::metrics
