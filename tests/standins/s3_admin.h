// What shell scripts can do to the S3 stand-in; GET /_admin/ lists it.
#pragma once

#include <cstdint>

#include "tests/standins/admin_door.h"
#include "tests/standins/s3_store.h"

namespace keelwatch::standins {

// `store` outlives the door; the account is that of its options. Port 0: any free one.
[[nodiscard]] AdminDoor open_admin_door(S3Store& store, S3Account account, std::uint16_t port = 0);

}  // namespace keelwatch::standins
