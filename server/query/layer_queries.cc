// Answers about the layers of a run, page by page.

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/query/paging.h"
#include "server/query/queries.h"
#include "server/query/view_codec.h"

namespace firekeeper::server {
namespace {

constexpr std::uint32_t kDefaultBuckets = 128;
constexpr std::uint32_t kMaxBuckets = 1024;
// Of a page of strips: a row of each state that occurs is some 2 bytes a
// bucket.
constexpr std::size_t kMaxBucketsOfPage = 65'536;

// Where a layer stands in the forward order; compares as the list is sorted.
using LayerPosition = std::pair<std::uint32_t, std::string>;

LayerPosition PositionOf(const LayerState& layer) {
  return {layer.spec().order, layer.spec().name};
}

std::string PositionText(const LayerState& layer) {
  return absl::StrCat(layer.spec().order, ":", layer.spec().name);
}

absl::StatusOr<LayerPosition> ParsePosition(const std::string& text) {
  const std::size_t colon = text.find(':');
  LayerPosition position;
  if (colon == std::string::npos ||
      !absl::SimpleAtoi(text.substr(0, colon), &position.first)) {
    return FieldError("page_token", "not a token of a list of layers");
  }
  position.second = text.substr(colon + 1);
  return position;
}

// A page of the layers of a run in forward order; `query` is what PageToken()
// wants.
absl::StatusOr<LayerList> PageOf(const Run& run, const std::string& query,
                                 const std::string& page_token,
                                 std::size_t limit,
                                 std::string* next_page_token) {
  const auto after = PagePosition(page_token, query);
  if (!after.ok()) return after.status();
  LayerList layers = run.Layers();
  if (!after->empty()) {
    const auto position = ParsePosition(*after);
    if (!position.ok()) return position.status();
    std::erase_if(layers, [&](const auto& layer) {
      return PositionOf(*layer) <= *position;
    });
  }
  if (layers.size() > limit) {
    layers.resize(limit);
    *next_page_token = PageToken(query, PositionText(*layers.back()));
  }
  return layers;
}

absl::StatusOr<std::uint32_t> BucketsOf(const v1::GetUnitMapRequest& request) {
  if (request.max_buckets() == 0) return kDefaultBuckets;
  if (request.max_buckets() <= kMaxBuckets) return request.max_buckets();
  return FieldError("max_buckets",
                    absl::StrCat(request.max_buckets(), "; at most ",
                                 kMaxBuckets, " are drawn"));
}

}  // namespace

absl::Status Queries::ListLayers(const std::string& tenant,
                                 const v1::ListLayersRequest& request,
                                 v1::ListLayersResponse* response) const {
  const auto run = FindRun(tenant, request.run_id());
  if (!run.ok()) return run.status();
  const auto limit = PageLimit(request.page_size());
  if (!limit.ok()) return limit.status();
  const auto layers =
      PageOf(**run, QueryOf("layers", tenant, request.run_id()),
             request.page_token(), *limit, response->mutable_next_page_token());
  if (!layers.ok()) return layers.status();
  const std::uint64_t run_units = (*run)->UnitCount();
  for (const auto& layer : *layers) {
    ToProto(layer->View(run_units), response->add_layers());
  }
  return absl::OkStatus();
}

absl::Status Queries::GetUnitMap(const std::string& tenant,
                                 const v1::GetUnitMapRequest& request,
                                 v1::GetUnitMapResponse* response) const {
  const auto buckets = BucketsOf(request);
  if (!buckets.ok()) return buckets.status();
  const auto add = [&](LayerState& layer, std::uint64_t run_units) {
    v1::UnitStrip* strip = response->add_strips();
    strip->set_layer(layer.spec().name);
    ToProto(layer.Strip(run_units, *buckets), strip);
  };
  if (!request.layer().empty()) {
    const auto place = FindLayer(tenant, request.run_id(), request.layer());
    if (!place.ok()) return place.status();
    add(*place->layer, place->run->UnitCount());
    return absl::OkStatus();
  }
  const auto run = FindRun(tenant, request.run_id());
  if (!run.ok()) return run.status();
  const auto limit = PageLimit(request.page_size());
  if (!limit.ok()) return limit.status();
  const auto layers =
      PageOf(**run, QueryOf("unit map", tenant, request.run_id(), *buckets),
             request.page_token(),
             std::min<std::size_t>(*limit, kMaxBucketsOfPage / *buckets),
             response->mutable_next_page_token());
  if (!layers.ok()) return layers.status();
  const std::uint64_t run_units = (*run)->UnitCount();
  for (const auto& layer : *layers) add(*layer, run_units);
  return absl::OkStatus();
}

}  // namespace firekeeper::server
