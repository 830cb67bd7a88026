#include "core/state_bytes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"

namespace firekeeper::core {
namespace {

static_assert(std::endian::native == std::endian::little,
              "state is written as it lies in memory");

// In front of every array: how its entries are stored.
enum class Form : std::uint8_t {
  kUniform = 0,  // one entry of 8 bytes
  kWidth1 = 1,
  kWidth2 = 2,
  kWidth4 = 4,
  kWidth8 = 8,
};

Form FormFor(std::uint64_t greatest) {
  if (greatest <= 0xFFU) return Form::kWidth1;
  if (greatest <= 0xFFFFU) return Form::kWidth2;
  return greatest <= 0xFFFFFFFFU ? Form::kWidth4 : Form::kWidth8;
}

std::size_t SizeOf(Index entries) { return static_cast<std::size_t>(entries); }

// Entries less `base`, narrowed.
template <typename Narrow, typename Array>
void PutNarrow(const Array& values, std::uint64_t base, StateWriter* writer) {
  std::string narrow(SizeOf(values.size()) * sizeof(Narrow), '\0');
  auto* to = reinterpret_cast<Narrow*>(narrow.data());
  for (Index i = 0; i < values.size(); ++i) {
    to[i] = static_cast<Narrow>(static_cast<std::uint64_t>(values[i]) - base);
  }
  writer->PutBytes(narrow.data(), narrow.size());
}

template <typename Array>
void PutInForm(Form form, const Array& values, std::uint64_t base,
               StateWriter* writer) {
  writer->Put(static_cast<std::uint8_t>(form));
  switch (form) {
    case Form::kUniform:
      writer->Put(static_cast<std::uint64_t>(values[0]));
      break;
    case Form::kWidth1:
      PutNarrow<std::uint8_t>(values, base, writer);
      break;
    case Form::kWidth2:
      PutNarrow<std::uint16_t>(values, base, writer);
      break;
    case Form::kWidth4:
      PutNarrow<std::uint32_t>(values, base, writer);
      break;
    case Form::kWidth8:
      PutNarrow<std::uint64_t>(values, base, writer);
      break;
  }
}

template <typename Narrow, typename Array>
void GetNarrow(std::uint64_t base, StateReader* reader, Array* values) {
  const char* data = reader->Next(SizeOf(values->size()) * sizeof(Narrow));
  if (data == nullptr) return;
  for (Index i = 0; i < values->size(); ++i) {
    Narrow narrow;
    std::memcpy(&narrow, data + SizeOf(i) * sizeof narrow, sizeof narrow);
    (*values)[i] = static_cast<typename Array::Scalar>(narrow + base);
  }
}

template <typename Array>
Array GetInForm(Form form, Index units, std::uint64_t base,
                StateReader* reader) {
  Array values;
  switch (form) {
    case Form::kUniform: {
      const auto value = reader->Get<std::uint64_t>();
      if (!reader->ok()) return values;
      values =
          Array::Constant(units, static_cast<typename Array::Scalar>(value));
      return values;
    }
    case Form::kWidth1:
      values = Array::Zero(units);
      GetNarrow<std::uint8_t>(base, reader, &values);
      break;
    case Form::kWidth2:
      values = Array::Zero(units);
      GetNarrow<std::uint16_t>(base, reader, &values);
      break;
    case Form::kWidth4:
      values = Array::Zero(units);
      GetNarrow<std::uint32_t>(base, reader, &values);
      break;
    case Form::kWidth8:
      values = Array::Zero(units);
      GetNarrow<std::uint64_t>(base, reader, &values);
      break;
    default:
      reader->Fail();
      break;
  }
  return values;
}

bool AreEqual(const Eigen::ArrayXd& values) {
  const auto first = std::bit_cast<std::uint64_t>(values[0]);
  return std::all_of(values.begin(), values.end(), [first](double value) {
    return std::bit_cast<std::uint64_t>(value) == first;
  });
}

// A NaN has no binary32 that equals it, and is kept as it is.
bool AreSingle(const Eigen::ArrayXd& values) {
  return std::all_of(values.begin(), values.end(), [](double value) {
    return static_cast<double>(static_cast<float>(value)) == value;
  });
}

void PutBuckets(const SketchBuckets& buckets, StateWriter* writer) {
  const auto size = static_cast<std::uint16_t>(buckets.counts().size());
  writer->Put(size);
  if (size == 0) return;
  writer->Put(buckets.first());
  const Eigen::Map<const CountArray> counts(buckets.counts().data(), size);
  writer->Put(CountArray(counts));
}

void GetBuckets(StateReader* reader, SketchBuckets* buckets) {
  const auto size = reader->Get<std::uint16_t>();
  if (size == 0) return;
  if (size > SketchBuckets::kMaxBuckets) return reader->Fail();
  const auto first = reader->Get<std::int32_t>();
  const CountArray counts = reader->GetCounts(size);
  if (first < QuantileSketch::kMinBucket ||
      first > QuantileSketch::kMaxBucket - (size - 1)) {
    return reader->Fail();
  }
  if (reader->ok()) buckets->Add(first, {counts.data(), size});
}

}  // namespace

void StateWriter::Put(const CountArray& counts) {
  if (counts.size() == 0) return;
  const std::uint64_t greatest = counts.maxCoeff();
  const bool uniform = counts.minCoeff() == greatest;
  PutInForm(uniform ? Form::kUniform : FormFor(greatest), counts, 0, this);
}

void StateWriter::Put(const UnitCounts& counts) {
  if (counts.unit_count() == 0) return;
  if (!counts.is_uniform()) return Put(counts.ToArray());
  Put(static_cast<std::uint8_t>(Form::kUniform));
  Put(counts[0]);
}

void StateWriter::Put(const StepArray& steps) {
  if (steps.size() == 0) return;
  const std::int64_t least = steps.minCoeff();
  const std::int64_t greatest = steps.maxCoeff();
  const auto base = static_cast<std::uint64_t>(least);
  Put(least);
  PutInForm(least == greatest
                ? Form::kUniform
                : FormFor(static_cast<std::uint64_t>(greatest) - base),
            steps, base, this);
}

void StateWriter::Put(const Eigen::ArrayXd& values) {
  if (values.size() == 0) return;
  if (AreEqual(values)) {
    Put(static_cast<std::uint8_t>(Form::kUniform));
    return Put(values[0]);
  }
  if (AreSingle(values)) {
    const Eigen::ArrayXf singles = values.cast<float>();
    Put(static_cast<std::uint8_t>(Form::kWidth4));
    return PutBytes(singles.data(), SizeOf(singles.size()) * sizeof(float));
  }
  Put(static_cast<std::uint8_t>(Form::kWidth8));
  PutBytes(values.data(), SizeOf(values.size()) * sizeof(double));
}

void StateWriter::Put(const UnitSummary& summary) {
  Put(summary.observations);
  Put(summary.non_finite);
  if (summary.columns.clusters) Put(summary.clusters);
  for (const CountArray* counts :
       {&summary.firings, &summary.firing_clusters, &summary.positives,
        &summary.closed_high, &summary.zeros, &summary.proven}) {
    Put(*counts);
  }
  for (const Eigen::ArrayXd* reals :
       {&summary.abs_sum, &summary.mean, &summary.m2, &summary.min,
        &summary.max}) {
    Put(*reals);
  }
  Put(summary.last_firing_step);
  Put(summary.first_seen_step);
}

void StateWriter::Put(const QuantileSketch& sketch) {
  Put(sketch.zeros());
  PutBuckets(sketch.negative(), this);
  PutBuckets(sketch.positive(), this);
}

const char* StateReader::Next(std::size_t size) {
  if (size > rest_.size()) {
    Fail();
    return nullptr;
  }
  const char* const data = rest_.data();
  rest_.remove_prefix(size);
  return data;
}

std::size_t StateReader::GetSize(std::size_t entry_bytes) {
  const auto size = Get<std::uint64_t>();
  if (size > rest_.size() / entry_bytes) Fail();
  return ok_ ? static_cast<std::size_t>(size) : 0;
}

StepRange StateReader::GetSteps() {
  StepRange steps{.first = Get<std::int64_t>(), .end = Get<std::int64_t>()};
  if (steps.first < 0 || steps.first > kMaxStep || steps.end <= steps.first) {
    Fail();
  }
  return steps;
}

CountArray StateReader::GetCounts(Index units) {
  if (units == 0) return {};
  const auto form = static_cast<Form>(Get<std::uint8_t>());
  auto counts = GetInForm<CountArray>(form, units, 0, this);
  if (!ok_) counts = CountArray::Zero(units);
  return counts;
}

UnitCounts StateReader::GetUnitCounts(Index units) {
  return UnitCounts::FromArray(GetCounts(units));
}

StepArray StateReader::GetStepArray(Index units) {
  if (units == 0) return {};
  const auto least = Get<std::int64_t>();
  const auto form = static_cast<Form>(Get<std::uint8_t>());
  auto steps = GetInForm<StepArray>(form, units,
                                    static_cast<std::uint64_t>(least), this);
  if (!ok_) steps = StepArray::Zero(units);
  return steps;
}

Eigen::ArrayXd StateReader::GetReals(Index units) {
  if (units == 0) return {};
  Eigen::ArrayXd values = Eigen::ArrayXd::Zero(units);
  const auto form = static_cast<Form>(Get<std::uint8_t>());
  if (form == Form::kUniform) {
    values = Eigen::ArrayXd::Constant(units, Get<double>());
  } else if (form == Form::kWidth4) {
    if (const char* data = Next(SizeOf(units) * sizeof(float))) {
      Eigen::ArrayXf singles(units);
      std::memcpy(singles.data(), data, SizeOf(units) * sizeof(float));
      values = singles.cast<double>();
    }
  } else if (form == Form::kWidth8) {
    if (const char* data = Next(SizeOf(units) * sizeof(double))) {
      std::memcpy(values.data(), data, SizeOf(units) * sizeof(double));
    }
  } else {
    Fail();
  }
  return values;
}

UnitSummary StateReader::GetSummary(Index units, const ColumnSet& columns) {
  UnitSummary summary(units, columns);
  summary.observations = GetUnitCounts(units);
  summary.non_finite = GetUnitCounts(units);
  if (columns.clusters) summary.clusters = GetUnitCounts(units);
  for (CountArray* counts :
       {&summary.firings, &summary.firing_clusters, &summary.positives,
        &summary.closed_high, &summary.zeros, &summary.proven}) {
    *counts = GetCounts(counts->size());
  }
  for (Eigen::ArrayXd* reals : {&summary.abs_sum, &summary.mean, &summary.m2,
                                &summary.min, &summary.max}) {
    *reals = GetReals(reals->size());
  }
  summary.last_firing_step = GetStepArray(summary.last_firing_step.size());
  summary.first_seen_step = GetStepArray(summary.first_seen_step.size());
  return summary;
}

QuantileSketch StateReader::GetSketch() {
  QuantileSketch sketch;
  sketch.AddZeros(Get<std::uint64_t>());
  GetBuckets(this, &sketch.negative());
  GetBuckets(this, &sketch.positive());
  return sketch;
}

absl::Status StateReader::Finish(std::string_view what) const {
  if (ok_ && rest_.empty()) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(std::string(what),
                   ok_ ? ": bytes are left over" : ": does not fit together"));
}

}  // namespace firekeeper::core
