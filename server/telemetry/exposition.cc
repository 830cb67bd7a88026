#include "server/telemetry/exposition.h"

#include <prometheus/text_serializer.h>

#include <sstream>

namespace firekeeper::server {

std::string ExpositionText(
    const std::vector<prometheus::MetricFamily>& families) {
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return text.str();
}

}  // namespace firekeeper::server
