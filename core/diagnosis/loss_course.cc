#include "core/diagnosis/loss_course.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "core/diagnosis/layer_measures.h"

namespace firekeeper::core {
namespace {

using Point = std::pair<std::int64_t, double>;

constexpr std::size_t kEdgePoints = 5;
constexpr std::size_t kChunks = 20;
// The loss is on a plateau if this many chunks bring nothing.
constexpr std::size_t kPlateauChunks = 4;

double MedianOf(std::span<const Point> points) {
  std::vector<double> values;
  values.reserve(points.size());
  for (const Point& point : points) values.push_back(point.second);
  const auto middle =
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::span<const Point> Chunk(std::span<const Point> points, std::size_t i) {
  const std::size_t first = points.size() * i / kChunks;
  const std::size_t end = points.size() * (i + 1) / kChunks;
  return points.subspan(first, end - first);
}

// Where the last improvement by `tolerance` of the start ended. Requires: at
// least kChunks points.
std::optional<std::int64_t> PlateauStart(std::span<const Point> points,
                                         double tolerance) {
  const double step = tolerance * std::abs(MedianOf(Chunk(points, 0)));
  double best = MedianOf(Chunk(points, 0));
  std::size_t last_better = 0;
  for (std::size_t i = 1; i < kChunks; ++i) {
    const double level = MedianOf(Chunk(points, i));
    if (level >= best - step) continue;
    best = level;
    last_better = i;
  }
  if (kChunks - 1 - last_better < kPlateauChunks) return std::nullopt;
  // A loss that never improved is flat from its first point.
  return last_better == 0 ? points.front().first
                          : Chunk(points, last_better + 1).front().first;
}

bool OnlyGuesses(const LossCourse& course, const OutputCourse& output,
                 const DiagnosisSettings& settings) {
  if (output.cosine && course.plateau_start &&
      *output.cosine > settings.constant_output_cosine) {
    return true;
  }
  // ln(classes) is a guess itself: the classes may be uneven.
  if (!output.guess_loss || !(output.guess_measured || course.plateau_start)) {
    return false;
  }
  return std::abs(course.end - *output.guess_loss) <
         settings.chance_band * *output.guess_loss;
}

Learning Judge(const LossCourse& course, const OutputCourse& output,
               const DiagnosisSettings& settings) {
  if (course.start <= 0.0) return Learning::kUnknown;
  const double ratio = course.Ratio();
  if (ratio > settings.divergence_factor) return Learning::kDiverged;
  if (ratio < settings.converged_loss) return Learning::kConverged;
  if (ratio > 1.0 - settings.min_progress) return Learning::kStalled;
  return OnlyGuesses(course, output, settings) ? Learning::kStalled
                                               : Learning::kLearning;
}

}  // namespace

OutputCourse OutputCourseOf(const RunFacts& facts) {
  OutputCourse output;
  for (const LayerFacts& layer : facts.layers) {
    const SignalDigest* target = Newest(layer, Signal::kTarget);
    if (target != nullptr && target->share_entropy) {
      output.guess_loss = target->share_entropy;
      output.guess_measured = true;
    }
    if (!layer.is_output || layer.unit_count < 2) continue;
    if (!output.guess_loss) {
      output.guess_loss = std::log(static_cast<double>(layer.unit_count));
    }
    const SignalDigest* values = Newest(layer, Signal::kActivation);
    if (values == nullptr) values = Newest(layer, Signal::kPreActivation);
    if (values != nullptr) output.cosine = CosineOf(*values);
  }
  return output;
}

LossCourse CourseOf(const RunFacts& facts, const OutputCourse& output,
                    const DiagnosisSettings& settings) {
  LossCourse course;
  const auto series = facts.scalars.find(kLossScalar);
  if (series == facts.scalars.end() || series->second.points.empty()) {
    return course;
  }
  course.observed = true;
  std::vector<Point> points;
  for (const Point& point : series->second.points) {
    if (std::isfinite(point.second)) {
      points.push_back(point);
    } else if (!course.first_non_finite_step) {
      course.first_non_finite_step = point.first;
    }
  }
  const std::size_t least = std::max(settings.loss_min_points, kChunks);
  if (points.size() < least ||
      points.back().first - points.front().first < settings.loss_min_steps) {
    return course;
  }
  const std::span<const Point> all = points;
  course.start = MedianOf(all.first(kEdgePoints));
  course.end = MedianOf(all.last(std::max(kEdgePoints, all.size() / 10)));
  course.plateau_start = PlateauStart(all, settings.plateau_tolerance);
  course.learning = Judge(course, output, settings);
  if (course.learning == Learning::kConverged) course.plateau_start.reset();
  return course;
}

}  // namespace firekeeper::core
