#include "base/observed.h"

namespace keelwatch {

std::string_view to_string(Absence absence) {
  switch (absence) {
    case Absence::kUnknown:
      return "unknown";
    case Absence::kNotInstalled:
      return "not_installed";
    case Absence::kNotSetUp:
      return "not_set_up";
  }
  return "unknown";
}

}  // namespace keelwatch
