// What the diagnosis says: findings with their evidence, what could not be
// looked at, and what the dead units cost.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/remedy.h"

namespace firekeeper::core {

// Values equal those of firekeeper.v1.Cause.
enum class Cause : std::uint8_t {
  kNumericalFailure = 1,
  kUnnormalizedInput,
  kNegativeBiasInit,
  kUnbalancedWeightInit,
  kVanishingGradient,
  kExplodingGradient,
  kTooDeepOrNarrow,
  kLearningRateTooHigh,
  kSymmetricInit,
  kIntendedSparsity,  // no fault
  kConverged,         // no fault
  kConstantOutput,    // no fault of the hidden units: the head is
  kUnknown,           // deaths without a cause that fits
};
inline constexpr int kCauseCount = 13;

// "numerical_failure", "unnormalized_input", ...
[[nodiscard]] const char* Name(Cause cause);
// False for INTENDED_SPARSITY, CONVERGED and CONSTANT_OUTPUT.
[[nodiscard]] bool IsFault(Cause cause);

// How `measured` has to stand to `threshold` for the evidence to hold.
enum class Comparison : std::uint8_t { kAbove = 1, kBelow, kAtLeast, kAtMost };

// One measured value beside its threshold.
struct Evidence {
  std::string signal;  // "S1" to "S11" (core/README.md)
  std::string layer;   // empty: of the whole run
  std::string description;
  double measured = 0.0;
  double threshold = 0.0;
  Comparison comparison = Comparison::kAbove;
  double weight = 1.0;          // its part in the score
  bool supports = false;        // false: it speaks against the cause
  bool not_observable = false;  // not streamed: the numbers mean nothing
};

// A cause that was weighed and not reported, or not on these layers.
struct ConsideredCause {
  Cause cause = Cause::kUnknown;
  double score = 0.0;
  std::string reason;  // why it is not the finding
};

struct Finding {
  Cause cause = Cause::kUnknown;
  bool is_fault = true;
  // Share of the cause's weighted evidence that holds, 0 to 1. Evidence that
  // is not observable counts as not holding.
  double score = 0.0;
  std::string summary;  // one sentence
  std::vector<std::string> layers;
  std::int64_t first_step = 0;
  std::int64_t last_step = 0;
  std::vector<Evidence> evidence;  // for and against
  std::vector<ConsideredCause> alternatives;
  std::vector<Remedy> remedies;  // best first, those that do not help last
};

// A cause that this run's signals cannot show. It is neither present nor
// absent.
struct NotObservable {
  Cause cause = Cause::kUnknown;
  // What is missing: "WEIGHT", "INPUT of the first layer", "scalar loss";
  // alternatives joined by " or ".
  std::vector<std::string> missing;
};

// What the dead units of a layer cost.
struct LayerCapacity {
  std::string layer;
  std::uint64_t unit_count = 0;
  std::uint64_t dead_units = 0;
  double lost_share = 0.0;  // dead_units / unit_count
  bool collapsed = false;   // every unit: no gradient passes
  // Units that are dead at the start because of depth and of how alike their
  // inputs are, and of nothing else. Empty where that was not measured.
  std::optional<double> expected_born_dead;
};

struct Consequences {
  std::vector<LayerCapacity> layers;  // in forward order, all of them
  double lost_share = 0.0;            // over all layers
  std::optional<std::int64_t> first_death_step;  // earliest `by`
  // From here on the loss no longer improves; empty where it does, or where it
  // is not known.
  std::optional<std::int64_t> plateau_start;
  // The loss has not fallen enough since its start.
  bool stalled = false;
  // Its plateau begins no earlier than the first death.
  bool stalled_after_deaths = false;
};

struct Diagnosis {
  // Faults first, each by the order of the decision table.
  std::vector<Finding> findings;
  std::vector<NotObservable> not_observable;
  Consequences consequences;
};

}  // namespace firekeeper::core
