#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>

#include "server/errors.h"
#include "server/ingest/codec.h"
#include "tests/support/broken_field.h"
#include "tests/support/message_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::BrokenField;
using ::firekeeper::testing::ExpectRefused;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::kUnits;
using ::firekeeper::testing::MakeChunks;
using ::firekeeper::testing::MakeTensorSnapshot;
using ::firekeeper::testing::NameOf;
using ::firekeeper::testing::StatusIs;
using ::testing::_;
using ::testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t kInt64Max = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kUint64Max = std::numeric_limits<std::uint64_t>::max();
constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;

v1::Tensor MakeTensor() { return MakeTensorSnapshot(1).tensor(); }

// F32 [2, 4] as the 2nd of three chunks: 12 + 12 + 8 bytes.
v1::Tensor MakeSecondChunk() { return MakeChunks(1, 12)[1].tensor(); }

void SetShape(v1::Tensor& tensor, std::initializer_list<std::int64_t> shape) {
  tensor.mutable_shape()->Assign(shape.begin(), shape.end());
}

absl::StatusOr<core::TensorLayout> Decode(
    const v1::Tensor& tensor, core::Signal signal = core::Signal::kActivation) {
  return DecodeTensorLayout(tensor, signal, kUnits, Limits{});
}

using TensorRow = BrokenField<v1::Tensor>;

class WholeTensorTest : public ::testing::TestWithParam<TensorRow> {};

TEST_P(WholeTensorTest, IsRefusedByFieldName) {
  v1::Tensor tensor = MakeTensor();
  ASSERT_THAT(Decode(tensor), IsOk());

  GetParam().break_it(tensor);

  ExpectRefused(Decode(tensor).status(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    BrokenShape, WholeTensorTest,
    ::testing::Values(
        TensorRow{"NoType", [](auto& tensor) { tensor.clear_data_type(); },
                  "data_type", "is 0; must be DATA_TYPE_F64 (1) to"},
        TensorRow{"UnknownType",
                  [](auto& tensor) {
                    tensor.set_data_type(static_cast<v1::DataType>(8));
                  },
                  "data_type", "is 8;"},
        TensorRow{"I8",
                  [](auto& tensor) { tensor.set_data_type(v1::DATA_TYPE_I8); },
                  "data_type", "DATA_TYPE_I8 is not accepted by this server"},
        TensorRow{
            "F8",
            [](auto& tensor) { tensor.set_data_type(v1::DATA_TYPE_F8_E5M2); },
            "data_type", "not accepted by this server"},
        TensorRow{"NoShape", [](auto& tensor) { tensor.clear_shape(); },
                  "shape", "has 0 axes; must have 1 to 8"},
        TensorRow{"NineAxes",
                  [](auto& tensor) {
                    SetShape(tensor, {2, 4, 1, 1, 1, 1, 1, 1, 1});
                  },
                  "shape", "has 9 axes"},
        TensorRow{"NegativeAxis",
                  [](auto& tensor) {
                    SetShape(tensor, {-2, 4});
                  },
                  "shape", "axis 0 is -2 long"},
        TensorRow{"BothAxesNegative",
                  [](auto& tensor) {
                    SetShape(tensor, {-2, -4});
                  },
                  "shape", "must not be negative"},
        TensorRow{"OneAxisOverflows",
                  [](auto& tensor) {
                    SetShape(tensor, {kInt64Max, 4});
                  },
                  "shape", "asks for more than 17179869184 bytes", kExhausted},
        TensorRow{"ProductWrapsToTheRightLength",
                  [](auto& tensor) {
                    SetShape(tensor, {(std::int64_t{1} << 62) + 2, 4});
                  },
                  "shape", "asks for more than", kExhausted},
        TensorRow{"ProductOfManyAxesOverflows",
                  [](auto& tensor) {
                    SetShape(tensor, {1 << 20, 4, 1 << 20, 1 << 20, 1 << 20});
                  },
                  "shape", "asks for more than", kExhausted},
        TensorRow{"EmptyAxisHidesAnOverflow",
                  [](auto& tensor) {
                    SetShape(tensor, {0, 4, kInt64Max, kInt64Max});
                  },
                  "shape", "asks for more than", kExhausted},
        TensorRow{"OtherUnits",
                  [](auto& tensor) {
                    SetShape(tensor, {2, 5});
                  },
                  "shape", "axis 1 is 5 long; the source declared 4 units"},
        TensorRow{"NoUnits",
                  [](auto& tensor) {
                    SetShape(tensor, {2, 0});
                  },
                  "shape", "axis 1 is 0 long"},
        TensorRow{"UnitAxisNegative",
                  [](auto& tensor) { tensor.set_unit_axis(-1); }, "unit_axis",
                  "is -1; must be 0 to 1"},
        TensorRow{"UnitAxisBeyondRank",
                  [](auto& tensor) { tensor.set_unit_axis(2); }, "unit_axis",
                  "is 2; must be 0 to 1"},
        TensorRow{"ClusterAxisNegative",
                  [](auto& tensor) { tensor.set_cluster_axis(-1); },
                  "cluster_axis", "is -1; must be 0 to 1"},
        TensorRow{"ClusterAxisBeyondRank",
                  [](auto& tensor) { tensor.set_cluster_axis(2); },
                  "cluster_axis", "is 2;"},
        TensorRow{"ClusterAxisIsUnitAxis",
                  [](auto& tensor) { tensor.set_cluster_axis(1); },
                  "cluster_axis", "is 1, the unit axis"}),
    NameOf<v1::Tensor>);

INSTANTIATE_TEST_SUITE_P(
    BrokenContent, WholeTensorTest,
    ::testing::Values(
        TensorRow{"NoData", [](auto& tensor) { tensor.clear_data(); }, "data",
                  "has 0 bytes; the shape asks for 32"},
        TensorRow{"OneByteShort",
                  [](auto& tensor) { tensor.mutable_data()->pop_back(); },
                  "data", "has 31 bytes"},
        TensorRow{"OneByteMore",
                  [](auto& tensor) { tensor.mutable_data()->push_back('x'); },
                  "data", "has 33 bytes"},
        TensorRow{"DataOfAnotherType",
                  [](auto& tensor) { tensor.set_data_type(v1::DATA_TYPE_F16); },
                  "data", "the shape asks for 16"},
        TensorRow{"Offset", [](auto& tensor) { tensor.set_byte_offset(1); },
                  "byte_offset", "is 1; must be 0"},
        TensorRow{"EmptyMaskByte",
                  [](auto& tensor) {
                    tensor.set_validity_mask(std::string(2, '\x03'));
                  },
                  "validity_mask", "has 2 bytes; the shape asks for 1"},
        TensorRow{"ScaleNan", [](auto& tensor) { tensor.set_scale(kNan); },
                  "scale", "is nan; must be finite and positive"},
        TensorRow{"ScaleInfinite",
                  [](auto& tensor) { tensor.set_scale(kInfinity); }, "scale",
                  "is inf;"},
        TensorRow{"ScaleNegative", [](auto& tensor) { tensor.set_scale(-1.0); },
                  "scale", "is -1;"},
        TensorRow{"LossScaleOfAnActivation",
                  [](auto& tensor) { tensor.set_loss_scale(1.0); },
                  "loss_scale", "only gradients have one"},
        TensorRow{"ChunkIndexOfAWholeTensor",
                  [](auto& tensor) { tensor.set_chunk_index(1); },
                  "chunk_index", "is 1; must be less than 1"},
        TensorRow{"ChunkIndexBeyondCount",
                  [](auto& tensor) {
                    tensor.set_chunk_count(2);
                    tensor.set_chunk_index(2);
                  },
                  "chunk_index", "is 2; must be less than 2"},
        TensorRow{
            "TooManyChunks",
            [](auto& tensor) { tensor.set_chunk_count((1U << 20U) + 1U); },
            "chunk_count", "is 1048577; at most 1048576", kExhausted}),
    NameOf<v1::Tensor>);

class ChunkTest : public ::testing::TestWithParam<TensorRow> {};

TEST_P(ChunkTest, IsRefusedByFieldName) {
  v1::Tensor chunk = MakeSecondChunk();
  ASSERT_THAT(Decode(chunk), IsOk());

  GetParam().break_it(chunk);

  ExpectRefused(Decode(chunk).status(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    Broken, ChunkTest,
    ::testing::Values(
        TensorRow{"BeginsBeyondTheEnd",
                  [](auto& tensor) { tensor.set_byte_offset(33); },
                  "byte_offset", "is 33 in chunk 1 of a tensor of 32 bytes"},
        TensorRow{"OffsetWraps",
                  [](auto& tensor) { tensor.set_byte_offset(kUint64Max); },
                  "byte_offset", "is 18446744073709551615"},
        TensorRow{"FirstChunkWithAnOffset",
                  [](auto& tensor) { tensor.set_chunk_index(0); },
                  "byte_offset", "is 12 in chunk 0"},
        TensorRow{"EndsBeyondTheEnd",
                  [](auto& tensor) { tensor.set_byte_offset(21); }, "data",
                  "has 12 bytes; at most 11 are left"},
        TensorRow{"LastChunkEndsEarly",
                  [](auto& tensor) { tensor.set_chunk_index(2); }, "data",
                  "has 12 bytes; exactly 20 are left"},
        TensorRow{"MaskAfterTheFirst",
                  [](auto& tensor) { tensor.set_validity_mask("\x03"); },
                  "validity_mask", "came in chunk 1; must come in chunk 0"},
        TensorRow{"ClusterAxisIsNotTheSlowest",
                  [](auto& tensor) {
                    SetShape(tensor, {4, 2});
                    tensor.set_unit_axis(0);
                    tensor.set_cluster_axis(1);
                  },
                  "cluster_axis", "must be 0 or absent in a chunked tensor"}),
    NameOf<v1::Tensor>);

TEST(DecodeTensorLayoutTest, KeepsTypeShapeAndAxes) {
  const auto layout = Decode(MakeTensor());

  ASSERT_THAT(layout, IsOk());
  EXPECT_EQ(layout->dtype(), core::DataType::kF32);
  EXPECT_THAT(layout->shape(), ::testing::ElementsAre(2, 4));
  EXPECT_EQ(layout->unit_axis(), 1U);
  EXPECT_EQ(layout->cluster_axis(), 0U);
  EXPECT_EQ(layout->byte_size(), 32);
}

TEST(DecodeTensorLayoutTest, AcceptsEveryTypeOfItsLimits) {
  const std::initializer_list<std::pair<v1::DataType, std::size_t>> types{
      {v1::DATA_TYPE_F64, 8},
      {v1::DATA_TYPE_F32, 4},
      {v1::DATA_TYPE_F16, 2},
      {v1::DATA_TYPE_BF16, 2}};
  for (const auto& [type, size] : types) {
    v1::Tensor tensor = MakeTensor();
    tensor.set_data_type(type);
    tensor.set_data(std::string(8 * size, '\0'));

    const auto layout = Decode(tensor);

    ASSERT_THAT(layout, IsOk());
    EXPECT_EQ(static_cast<int>(layout->dtype()), static_cast<int>(type));
  }
}

TEST(DecodeTensorLayoutTest, TheClusterAxisMayBeAbsent) {
  v1::Tensor whole = MakeTensor();
  whole.clear_cluster_axis();
  v1::Tensor chunk = MakeSecondChunk();
  chunk.clear_cluster_axis();

  const auto layout = Decode(whole);

  ASSERT_THAT(layout, IsOk());
  EXPECT_FALSE(layout->cluster_axis().has_value());
  EXPECT_THAT(Decode(chunk), IsOk());
}

TEST(DecodeTensorLayoutTest, AWholeTensorMayHaveItsClustersAnywhere) {
  v1::Tensor tensor = MakeTensor();
  SetShape(tensor, {4, 2});
  tensor.set_unit_axis(0);
  tensor.set_cluster_axis(1);

  EXPECT_THAT(Decode(tensor), IsOk());
}

TEST(DecodeTensorLayoutTest, AnEmptyBatchIsATensorOfNoBytes) {
  v1::Tensor tensor = MakeTensor();
  SetShape(tensor, {0, 4});
  tensor.clear_data();

  const auto layout = Decode(tensor);

  ASSERT_THAT(layout, IsOk());
  EXPECT_EQ(layout->byte_size(), 0);
  tensor.set_validity_mask("\x01");
  EXPECT_THAT(Decode(tensor), StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr("validity_mask")));
}

TEST(DecodeTensorLayoutTest, EightAxesAreAccepted) {
  v1::Tensor tensor = MakeTensor();
  SetShape(tensor, {2, 4, 1, 1, 1, 1, 1, 1});

  EXPECT_THAT(Decode(tensor), IsOk());
}

TEST(DecodeTensorLayoutTest, MaskHasABitForEveryRowRoundedUpToBytes) {
  v1::Tensor tensor = MakeTensor();
  SetShape(tensor, {3, 4, 3});
  tensor.set_data(std::string(144, '\0'));

  for (const std::size_t bytes : {0U, 2U}) {
    tensor.set_validity_mask(std::string(bytes, '\x7f'));
    EXPECT_THAT(Decode(tensor), IsOk()) << bytes;
  }
  for (const std::size_t bytes : {1U, 3U}) {
    tensor.set_validity_mask(std::string(bytes, '\x7f'));
    EXPECT_THAT(Decode(tensor), StatusIs(absl::StatusCode::kInvalidArgument, _))
        << bytes;
  }
}

TEST(DecodeTensorLayoutTest, BytesOfATensorAreLimited) {
  Limits limits;
  const v1::Tensor tensor = MakeTensor();
  for (const std::uint64_t bytes : {32U, 33U}) {
    limits.max_tensor_bytes = bytes;
    EXPECT_THAT(
        DecodeTensorLayout(tensor, core::Signal::kActivation, kUnits, limits),
        IsOk());
  }
  limits.max_tensor_bytes = 31;

  EXPECT_THAT(
      DecodeTensorLayout(tensor, core::Signal::kActivation, kUnits, limits),
      StatusIs(kExhausted, HasSubstr("more than 31 bytes")));
}

TEST(DecodeTensorLayoutTest, ChunksMayBeginAndEndAtAnyByte) {
  for (std::size_t bytes = 1; bytes < 32; ++bytes) {
    for (const v1::Snapshot& chunk : MakeChunks(1, bytes)) {
      EXPECT_THAT(Decode(chunk.tensor()), IsOk()) << bytes;
    }
  }
}

TEST(DecodeTensorLayoutTest, MostChunksAreAccepted) {
  v1::Tensor chunk = MakeSecondChunk();
  chunk.set_chunk_count(1U << 20U);

  EXPECT_THAT(Decode(chunk), IsOk());
}

TEST(DecodeTensorLayoutTest, ChunkCountOneIsAWholeTensor) {
  v1::Tensor tensor = MakeTensor();
  tensor.set_chunk_count(1);

  EXPECT_THAT(Decode(tensor), IsOk());
}

TEST(DecodeTensorLayoutTest, ASignalWithoutUnitsIsRefused) {
  EXPECT_THAT(
      DecodeTensorLayout(MakeTensor(), core::Signal::kInput, 0, Limits{}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("declared no units")));
}

TEST(DecodeTensorLayoutTest, GradientsMayHaveALossScale) {
  v1::Tensor tensor = MakeTensor();
  tensor.set_loss_scale(1'024.0);

  EXPECT_THAT(Decode(tensor, core::Signal::kOutputGradient), IsOk());
  EXPECT_THAT(Decode(tensor, core::Signal::kWeightGradient), IsOk());
  EXPECT_THAT(
      Decode(tensor, core::Signal::kWeightUpdate),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("loss_scale")));
  for (const double scale : {kNan, kInfinity, -2.0}) {
    tensor.set_loss_scale(scale);
    EXPECT_THAT(
        Decode(tensor, core::Signal::kOutputGradient),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("loss_scale")));
  }
}

TEST(DecodeTensorLayoutTest, AQuotientOfScalesThatIsNoNumberIsRefused) {
  v1::Tensor vanishing = MakeTensor();
  vanishing.set_scale(1e-300);
  vanishing.set_loss_scale(1e300);
  v1::Tensor exploding = MakeTensor();
  exploding.set_scale(1e300);
  exploding.set_loss_scale(1e-300);

  EXPECT_THAT(Decode(vanishing, core::Signal::kOutputGradient),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("scale / loss_scale is 0")));
  EXPECT_THAT(Decode(exploding, core::Signal::kOutputGradient),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("scale / loss_scale is inf")));
}

TEST(TensorScaleTest, ZeroMeansOneAndTheLossScaleDivides) {
  v1::Tensor tensor = MakeTensor();
  EXPECT_EQ(TensorScale(tensor), 1.0);
  tensor.set_scale(0.5);
  EXPECT_EQ(TensorScale(tensor), 0.5);
  tensor.set_loss_scale(4.0);
  EXPECT_EQ(TensorScale(tensor), 0.125);
  tensor.set_scale(0.0);
  EXPECT_EQ(TensorScale(tensor), 0.25);
}

}  // namespace
}  // namespace firekeeper::server
