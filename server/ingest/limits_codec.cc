#include "server/ingest/limits_codec.h"

#include "server/ingest/codec.h"

namespace firekeeper::server {

v1::ServerLimits LimitsToProto(const Limits& limits,
                               const StateSettings& settings) {
  v1::ServerLimits proto;
  proto.set_max_message_bytes(limits.max_message_bytes);
  proto.set_max_tensor_bytes(limits.max_tensor_bytes);
  proto.set_max_units_per_layer(limits.max_units_per_layer);
  proto.set_max_layers_per_run(limits.max_layers_per_run);
  proto.set_max_units_per_run(limits.max_units_per_run);
  proto.set_max_runs(limits.max_runs);
  proto.set_max_sources(limits.max_sources);
  proto.set_credit_window_bytes(limits.credit_window_bytes);
  proto.set_max_name_bytes(limits.max_name_bytes);
  proto.set_name_pattern(kNamePattern);
  proto.set_max_streams_per_connection(kMaxStreamsPerConnection);
  proto.set_max_connections(limits.max_connections);
  proto.set_max_page_size(limits.max_page_size);
  proto.set_window_steps(static_cast<std::uint64_t>(settings.window_steps));
  proto.set_retained_windows(settings.retained_windows);
  for (const v1::DataType type : {v1::DATA_TYPE_F64, v1::DATA_TYPE_F32,
                                  v1::DATA_TYPE_F16, v1::DATA_TYPE_BF16}) {
    proto.add_data_types(type);
  }
  for (std::size_t state = 1; state < core::kHealthStateCount; ++state) {
    proto.add_states(static_cast<v1::HealthState>(state));
  }
  proto.set_max_events_per_run(limits.max_events_per_run);
  return proto;
}

}  // namespace firekeeper::server
