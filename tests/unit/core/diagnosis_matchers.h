// Short questions to a diagnosis, for tests.

#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "core/diagnosis/diagnose.h"

namespace firekeeper::testing {

// Names of the faults, in their order.
inline std::vector<std::string> Faults(const core::Diagnosis& diagnosis) {
  std::vector<std::string> names;
  for (const core::Finding& finding : diagnosis.findings) {
    if (finding.is_fault) names.emplace_back(core::Name(finding.cause));
  }
  return names;
}

// Names of all findings, in their order.
inline std::vector<std::string> Findings(const core::Diagnosis& diagnosis) {
  std::vector<std::string> names;
  for (const core::Finding& finding : diagnosis.findings) {
    names.emplace_back(core::Name(finding.cause));
  }
  return names;
}

// What is missing for `cause`; empty where it is observable.
inline std::vector<std::string> MissingFor(const core::Diagnosis& diagnosis,
                                           core::Cause cause) {
  for (const core::NotObservable& each : diagnosis.not_observable) {
    if (each.cause == cause) return each.missing;
  }
  return {};
}

}  // namespace firekeeper::testing
