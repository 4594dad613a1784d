// What shell scripts can do to the stand-in of the Kubernetes API; GET /_admin/ lists it.
#pragma once

#include <cstdint>

#include "tests/standins/admin_door.h"
#include "tests/standins/kube_api.h"

namespace keelwatch::standins {

// `api` outlives the door. Port 0: any free one.
[[nodiscard]] AdminDoor open_admin_door(KubeApi& api, std::uint16_t port = 0);

}  // namespace keelwatch::standins
