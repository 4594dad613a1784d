// The resources that the stand-in of the Kubernetes API knows by name: the built-in ones that a
// cluster's watchers read, and the custom ones of the systems around a CloudNativePG cluster.
#pragma once

#include <string_view>
#include <vector>

#include "tests/standins/kube_store.h"

namespace keelwatch::standins {

std::vector<KubeResource> built_in_resources();

// The custom resources of one API group ("longhorn.io"), in the version that is stored today; of
// every known group with "*". Empty for a group it does not know.
std::vector<KubeResource> known_custom_resources(std::string_view group);

}  // namespace keelwatch::standins
