// What a failure to connect says about a server.
#pragma once

#include "base/pg_client.h"
#include "model/postgres.h"

namespace keelwatch::sources {

// 57P03 covers starting up and shutting down, which only a text in the server's language tells
// apart. English is recognised; otherwise it is a shutdown if the server `was_up` and its port has
// not been closed since.
[[nodiscard]] model::Reachability reachability_of(const PgFailure& failure, bool was_up);

}  // namespace keelwatch::sources
