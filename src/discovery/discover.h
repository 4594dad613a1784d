// From configuration and Kubernetes objects to what the sources watch. Pure: files that hold
// credentials are read by app and given as a function.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "config/config.h"
#include "discovery/targets.h"
#include "model/kubernetes.h"

namespace keelwatch::discovery {

// The content of a file, read when credentials are resolved; kNotFound if it does not exist.
using ReadFile = std::function<Result<std::string>(const std::string& path)>;

// `kubernetes` is the newest published slice, whatever its age (null before the first): a silent
// API server is no reason to let go of a database. While pods or clusters are unknown, the
// instances of `previous` stay.
[[nodiscard]] Targets discover(const config::Config& config,
                               const model::KubernetesSlice* kubernetes, const ReadFile& read_file,
                               const Targets& previous);

}  // namespace keelwatch::discovery
