// From views of the state to the wire.

#pragma once

#include "absl/time/time.h"
#include "firekeeper/v1/diagnostics.pb.h"
#include "firekeeper/v1/resources.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "server/state/views.h"

namespace firekeeper::server {

[[nodiscard]] google::protobuf::Timestamp ToTimestamp(absl::Time time);
void ToProto(const RunView& view, v1::Run* run);
void ToProto(const RunView& view, v1::RunGlance* glance);
void ToProto(const LayerView& view, v1::LayerReport* report);
void ToProto(const SignalView& view, v1::SignalReport* report);
void ToProto(const UnitView& view, v1::UnitVerdict* verdict);
// Fills everything but the name of the layer.
void ToProto(const UnitStripView& view, v1::UnitStrip* strip);
void ToProto(const UnitHistogramView& view, v1::GetHistogramResponse* response);
void ToProto(const DistributionView& view,
             v1::GetDistributionResponse* response);
void ToProto(const core::CertificateSettings& settings,
             const core::CertificateTotals& totals,
             v1::Certificate* certificate);

}  // namespace firekeeper::server
