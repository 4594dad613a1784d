#include "model/kubernetes.h"

namespace keelwatch::model {

KubernetesSlice KubernetesSlice::absent(const Why& why) {
  const AbsentOfAny no{why};
  return {no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, no,
          no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, {}};
}

}  // namespace keelwatch::model
