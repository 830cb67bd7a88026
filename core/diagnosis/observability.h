// Which signals a cause needs, and which of them a run lacks.

#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/diagnosis/facts.h"
#include "core/diagnosis/finding.h"

namespace firekeeper::core {

// What one piece of evidence may be read from.
enum class Need : std::uint8_t {
  kLayerAny = 1,    // any signal, or the loss
  kFirings,         // ACTIVATION or PRE_ACTIVATION
  kFiringsAtStart,  // the same at step 0, or a BIRTH pass
  kFirstInput,      // INPUT of the first layer
  kBiasAtStart,
  kPreActivationAtStart,
  kWeightAtStart,
  kBackSignal,  // WEIGHT at step 0 or OUTPUT_GRADIENT at step 0
  kLearning,    // scalar loss or WEIGHT_GRADIENT at step 0
  kGrowth,      // OUTPUT_GRADIENT at step 0 or scalar gradient_norm
  kWeightUpdate,
  kWeight,
  kLoss,
  kOutput,  // ACTIVATION or OUTPUT_GRADIENT of the output layer
};

// "ACTIVATION or PRE_ACTIVATION", "INPUT of the first layer", ...
[[nodiscard]] const char* Name(Need need);

// One row of the table "cause x signals it needs": all of them.
struct CauseNeeds {
  Cause cause;
  std::vector<Need> needs;
};

// In the order of the decision table; every cause but UNKNOWN.
[[nodiscard]] const std::vector<CauseNeeds>& NeedsOfCauses();

// The causes that the run's signals cannot show, with what is missing.
[[nodiscard]] std::vector<NotObservable> NotObservableCauses(
    const RunFacts& facts);

}  // namespace firekeeper::core
