// Watches the kinds of model/kubernetes.h through the Kubernetes API, all on one thread, and
// publishes what it holds after every change, at most once per 50 ms.
//
// A kind is
//   - known once it has been listed; observed_at is the time of its stream's last event or
//   bookmark,
//     or of the last health check that the API server answered while the stream was connected. When
//     either fails, the last good objects stay, observed_at stands still, and whoever assembles the
//     world calls them unknown once they are too old;
//   - unknown before its first listing, and at once when the API server refuses it (403 with the
//     missing right named, 401 after the credentials were read anew);
//   - not installed when its API group is not (looked at again every minute, so that a CRD
//   installed
//     later appears without a restart);
//   - not set up without a kubeconfig and a service account.
// With settings.namespaces, a namespaced kind is the union of one listing per namespace: it is only
// as good as the worst of them. The operators' Leases and Deployments, and Longhorn's objects, are
// looked for in settings.operator_namespaces; when that is empty, everywhere, or, with
// settings.namespaces, nowhere: they are not set up then, since an empty list would read as "no
// operator". Threads: the loop's.
#pragma once

#include <memory>
#include <vector>

#include "config/config.h"
#include "model/kubernetes.h"
#include "sources/kubernetes/credentials.h"
#include "sources/kubernetes/list_watch.h"
#include "sources/source.h"

namespace keelwatch::sources {

class KubernetesSource {
 public:
  // `timing` and `environment` differ from their defaults in tests only; the settings' own times
  // replace those of `timing`.
  KubernetesSource(SourceContext context, config::Kubernetes settings,
                   Publish<model::KubernetesSlice> publish, ReflectorTiming timing = {},
                   ProcessEnvironment environment = ProcessEnvironment::real());
  ~KubernetesSource();
  KubernetesSource(const KubernetesSource&) = delete;
  KubernetesSource& operator=(const KubernetesSource&) = delete;

  // Never returns; destroying the task ends every connection. Once per object.
  [[nodiscard]] Task<> run();

 private:
  class WatchedKind;
  template <typename T, typename Store>
  class WatchedKindOf;

  void add_kinds();
  void add_longhorn_kinds();
  template <typename T>
  void add_kind(const KindInfo& kind, T (*decode)(JsonReader&, JsonValue),
                Observed<model::ObjectList<T>> model::KubernetesSlice::* place,
                bool (*keep)(const T&) = nullptr);
  template <typename T>
  void add_sums(const KindInfo& kind, std::string (*group)(JsonValue),
                void (*add)(JsonReader&, JsonValue, T&),
                Observed<model::ObjectList<T>> model::KubernetesSlice::* place);
  [[nodiscard]] Task<> wait_until_set_up();
  void publish_absent(const Why& why, bool not_set_up);
  void changed();
  void publish_now();

  SourceContext context_;
  config::Kubernetes settings_;
  Publish<model::KubernetesSlice> publish_;
  ReflectorTiming timing_;
  Credentials credentials_;
  ApiServer api_;
  JsonReader reader_;
  std::vector<std::unique_ptr<WatchedKind>> kinds_;
  SteadyTime last_publish_;
  EventLoop::Timer publish_timer_;
};

}  // namespace keelwatch::sources
