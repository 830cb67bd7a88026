// From diagnoses and events to the wire.

#pragma once

#include <string>

#include "core/diagnosis/finding.h"
#include "core/share_difference.h"
#include "firekeeper/v1/diagnostics.pb.h"
#include "server/state/event_log.h"

namespace firekeeper::server {

void ToProto(const core::Diagnosis& diagnosis,
             v1::DiagnoseRunResponse* response);
void ToProto(const core::Finding& finding, v1::Finding* proto);
void ToProto(const RunEvent& event, const std::string& run_id,
             v1::Event* proto);
// Fills everything but what names the run or attempt before.
void ToProto(const core::ShareDifference& difference,
             v1::RemedyOutcome* outcome);

}  // namespace firekeeper::server
