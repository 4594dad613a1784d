#include "sources/kubernetes/decode.h"

namespace keelwatch::sources {
namespace {

struct Component {
  std::string_view name;
  std::string_view image;  // last part of its path, whatever registry it is copied to
};
constexpr Component kComponents[] = {
    {"cloudnative-pg", "cloudnative-pg"},
    {"plugin-barman-cloud", "plugin-barman-cloud"},
    {"cert-manager", "cert-manager-controller"},
    {"cert-manager-webhook", "cert-manager-webhook"},
    {"cert-manager-cainjector", "cert-manager-cainjector"},
};

struct Mark {
  std::string_view label;
  std::string_view value;
  std::string_view component;
};
// CNPG config/manager/manager.yaml and the chart cloudnative-pg; plugin-barman-cloud
// kubernetes/deployment.yaml and its chart; the chart cert-manager, whose webhook and cainjector
// bear names that others may use too.
constexpr Mark kMarks[] = {
    {"app.kubernetes.io/name", "cloudnative-pg", "cloudnative-pg"},
    {"app.kubernetes.io/name", "plugin-barman-cloud", "plugin-barman-cloud"},
    {"app", "barman-cloud", "plugin-barman-cloud"},
    {"app.kubernetes.io/name", "cert-manager", "cert-manager"},
};

// "ghcr.io/cloudnative-pg/cloudnative-pg:1.27.1@sha256:..." is "cloudnative-pg".
std::string_view base_name(std::string_view image) {
  image = image.substr(0, image.find('@'));
  image = image.substr(image.rfind('/') + 1);  // npos + 1 is 0
  return image.substr(0, image.find(':'));
}

std::string component_of(const model::Deployment& deployment) {
  for (const std::string& image : deployment.images) {
    for (const Component& c : kComponents) {
      if (base_name(image) == c.image) return std::string(c.name);
    }
  }
  for (const Mark& mark : kMarks) {
    const auto label = deployment.meta.labels.find(std::string(mark.label));
    if (label != deployment.meta.labels.end() && label->second == mark.value) {
      return std::string(mark.component);
    }
  }
  return "";
}

}  // namespace

model::Deployment decode_deployment(JsonReader& reader, JsonValue object) {
  model::Deployment deployment;
  deployment.meta = decode_meta(reader, object["metadata"]);
  deployment.generation = object["metadata"]["generation"].integer();
  const JsonValue spec = object["spec"];
  deployment.replicas = spec["replicas"].integer();
  spec["template"]["spec"]["containers"].for_each(
      [&](JsonValue container) { deployment.images.push_back(text_or_empty(container["image"])); });
  deployment.component = component_of(deployment);
  const JsonValue status = object["status"];
  deployment.observed_generation = status["observedGeneration"].integer();
  // The controller omits counts of zero; before it has looked there is none.
  const auto count = [&](std::string_view key) {
    auto n = status[key].integer();
    if (!n && !status[key].present() && deployment.observed_generation) n = 0;
    return n;
  };
  deployment.ready_replicas = count("readyReplicas");
  deployment.available_replicas = count("availableReplicas");
  deployment.updated_replicas = count("updatedReplicas");
  deployment.conditions = conditions_of(reader, status);
  return deployment;
}

}  // namespace keelwatch::sources
