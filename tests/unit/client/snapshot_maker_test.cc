#include "client/cpp/snapshot_maker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "client/cpp/tensor_encoding.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::client {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

WatcherOptions Options(SendMode mode, std::uint64_t units = 3) {
  WatcherOptions options;
  options.run_id = "run";
  options.resume_step = 10;
  options.send_mode = mode;
  options.layers = {{.name = "fc", .unit_count = units, .fan_in = 5}};
  return options;
}

// The values of a float32 tensor; fails the test where bytes are left over.
std::vector<float> FloatsOf(const v1::Tensor& proto) {
  const std::string& bytes = proto.data();
  EXPECT_EQ(bytes.size() % sizeof(float), 0U);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

SnapshotKey Key() { return {.layer = "fc", .step = 10, .part = 2}; }

// Row-major floats with their layout; units last, clusters first.
struct FloatTensor {
  FloatTensor(std::vector<std::int64_t> lengths, int unit_axis,
              std::optional<int> cluster_axis)
      : shape(std::move(lengths)),
        layout(*core::TensorLayout::Create(core::DataType::kF32, shape,
                                           unit_axis, cluster_axis)),
        values(static_cast<std::size_t>(layout.element_count())) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(i) - 2.0F;
    }
  }

  [[nodiscard]] core::TensorView view() const {
    return {.layout = layout,
            .data = reinterpret_cast<const std::byte*>(values.data())};
  }

  std::vector<std::int64_t> shape;
  core::TensorLayout layout;
  std::vector<float> values;
};

TEST(SnapshotMakerTest, ReducesToASummaryWithItsKey) {
  const SnapshotMaker maker(Options(SendMode::kSummary));
  const FloatTensor tensor({4, 3}, 1, 0);

  const auto made = maker.Make(Key(), tensor.view());

  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->snapshot->layer(), "fc");
  EXPECT_EQ(made->snapshot->step(), 10);
  EXPECT_EQ(made->snapshot->part(), 2U);
  EXPECT_EQ(made->snapshot->phase(), v1::PHASE_TRAIN);
  EXPECT_EQ(made->snapshot->signal(), v1::SIGNAL_ACTIVATION);
  EXPECT_EQ(made->snapshot->summary().unit_count(), 3U);
  EXPECT_FALSE(made->snapshot->summary().cluster_is_step());
  EXPECT_EQ(made->samples, 4U);
}

TEST(SnapshotMakerTest, ASplitClusterIsTheStep) {
  WatcherOptions options = Options(SendMode::kSummary);
  options.layers[0].cluster_split = true;
  const FloatTensor tensor({4, 3}, 1, 0);

  const auto summary = SnapshotMaker(options).Make(Key(), tensor.view());
  options.send_mode = SendMode::kTensor;
  const auto whole = SnapshotMaker(options).Make(Key(), tensor.view());

  ASSERT_THAT(summary, IsOk());
  ASSERT_THAT(whole, IsOk());
  EXPECT_TRUE(summary->snapshot->summary().cluster_is_step());
  EXPECT_FALSE(whole->snapshot->tensor().has_cluster_axis());
}

TEST(SnapshotMakerTest, CopiesATensorInTensorMode) {
  const SnapshotMaker maker(Options(SendMode::kTensor));
  const FloatTensor tensor({4, 3}, 1, 0);

  const auto made = maker.Make(Key(), tensor.view());

  ASSERT_THAT(made, IsOk());
  const v1::Tensor& proto = made->snapshot->tensor();
  EXPECT_EQ(proto.data_type(), v1::DATA_TYPE_F32);
  EXPECT_THAT(proto.shape(), ElementsAre(4, 3));
  EXPECT_EQ(proto.unit_axis(), 1);
  EXPECT_EQ(proto.cluster_axis(), 0);
  EXPECT_EQ(FloatsOf(proto), tensor.values);
}

TEST(SnapshotMakerTest, ReducesALargeTensorThatCannotBeChunked) {
  const SnapshotMaker maker(Options(SendMode::kTensor, 1000));
  const FloatTensor clusters_last({1000, 300}, 0, 1);
  const FloatTensor clusters_first({300, 1000}, 1, 0);

  EXPECT_TRUE(maker.Make(Key(), clusters_last.view())->snapshot->has_summary());
  EXPECT_TRUE(maker.Make(Key(), clusters_first.view())->snapshot->has_tensor());
}

TEST(SnapshotMakerTest, TheInputIsAsWideAsTheFanIn) {
  const SnapshotMaker maker(Options(SendMode::kSummary));
  SnapshotKey key = Key();
  key.signal = core::Signal::kInput;

  EXPECT_THAT(maker.Make(key, FloatTensor({4, 5}, 1, 0).view()), IsOk());
  EXPECT_THAT(maker.Make(key, FloatTensor({4, 3}, 1, 0).view()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("tensor has 3 units; fc declared 5")));
}

TEST(SnapshotMakerTest, RefusesWhatTheServerWouldRefuse) {
  const SnapshotMaker maker(Options(SendMode::kTensor));
  const FloatTensor tensor({4, 3}, 1, 0);
  const auto refusal = [&maker](const SnapshotKey& key,
                                const core::TensorView& view) {
    return std::string(maker.Make(key, view).status().message());
  };

  SnapshotKey key = Key();
  key.layer = "unknown";
  EXPECT_THAT(refusal(key, tensor.view()), HasSubstr("not declared"));
  key = Key();
  key.step = 9;
  EXPECT_THAT(refusal(key, tensor.view()), HasSubstr("step 9"));
  key.step = (std::int64_t{1} << 53) + 1;
  EXPECT_THAT(refusal(key, tensor.view()), HasSubstr("step"));
  key = Key();
  key.signal = static_cast<core::Signal>(10);
  EXPECT_THAT(refusal(key, tensor.view()), HasSubstr("signal"));
  key = Key();
  key.phase = static_cast<core::Phase>(0);
  EXPECT_THAT(refusal(key, tensor.view()), HasSubstr("phase"));
  core::TensorView view = tensor.view();
  view.scale = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(refusal(Key(), view), HasSubstr("scale"));
  const std::vector<std::byte> mask(2);
  view = tensor.view();
  view.validity_mask = mask;
  EXPECT_THAT(refusal(Key(), view), HasSubstr("validity_mask has 2 bytes"));
}

// A layer of 3 units over 5 features; z_0 of the input is at most -1.
class MakeWeightTest : public ::testing::Test {
 protected:
  MakeWeightTest() {
    weight_.values.assign(15, 1.0F);
    bias_.values = {-6.0F, 0.0F, 1.0F};
    input_.values.assign(10, 1.0F);
  }

  absl::StatusOr<MadeSnapshot> Make(const WatcherOptions& options) {
    SnapshotKey key = Key();
    key.signal = core::Signal::kWeight;
    return SnapshotMaker(options).MakeWeight(key, layer());
  }
  [[nodiscard]] core::AffineLayer layer() const {
    return {
        .weight = weight_.view(), .bias = bias_.view(), .input = input_.view()};
  }
  static WatcherOptions OptionsWith(core::Activation kind) {
    WatcherOptions options = Options(SendMode::kTensor);
    options.layers[0].activation.kind = kind;
    return options;
  }
  static bool HasProofs(const MadeSnapshot& made) {
    return std::ranges::any_of(
        made.snapshot->summary().columns(), [](const auto& column) {
          return column.column() == v1::SUMMARY_COLUMN_PROVEN;
        });
  }

  FloatTensor weight_{{3, 5}, 0, std::nullopt};
  FloatTensor bias_{{3}, 0, std::nullopt};
  FloatTensor input_{{2, 5}, 1, 0};
};

TEST_F(MakeWeightTest, SendsASummaryWithProofsInTensorModeToo) {
  const auto made = Make(OptionsWith(core::Activation::kRelu));

  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->snapshot->signal(), v1::SIGNAL_WEIGHT);
  EXPECT_EQ(made->samples, 5U);
  EXPECT_TRUE(HasProofs(*made));
}

TEST_F(MakeWeightTest, ProvesNothingWhereZIsNotWhatTheWeightsSay) {
  EXPECT_FALSE(HasProofs(*Make(OptionsWith(core::Activation::kSilu))));

  WatcherOptions options = OptionsWith(core::Activation::kRelu);
  options.layers[0].norm_before = true;
  EXPECT_FALSE(HasProofs(*Make(options)));
  options = OptionsWith(core::Activation::kRelu);
  options.layers[0].residual = true;
  EXPECT_FALSE(HasProofs(*Make(options)));
}

TEST_F(MakeWeightTest, ARowThatIsCutOverProcessesProvesNothing) {
  WatcherOptions options = OptionsWith(core::Activation::kRelu);
  options.layers[0].fan_in = 10;

  EXPECT_FALSE(HasProofs(*Make(options)));
}

TEST_F(MakeWeightTest, AKernelIsSentWithoutProofs) {
  weight_ = FloatTensor({3, 5, 3, 3}, 0, std::nullopt);

  const auto made = Make(OptionsWith(core::Activation::kRelu));

  ASSERT_THAT(made, IsOk());
  EXPECT_FALSE(HasProofs(*made));
}

TEST_F(MakeWeightTest, RefusesWhatDoesNotFit) {
  input_ = FloatTensor({2, 4}, 1, 0);
  EXPECT_THAT(Make(OptionsWith(core::Activation::kRelu)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("input has 4 features")));

  EXPECT_THAT(
      SnapshotMaker(Options(SendMode::kSummary)).MakeWeight(Key(), layer()),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("signal must be WEIGHT")));
}

TEST(TensorEncodingTest, LaysStridedMemoryOutRowMajor) {
  // The transpose of a 2 x 3 matrix, without moving a value.
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const std::vector<std::int64_t> shape = {3, 2};
  core::TensorView view{
      .layout = *core::TensorLayout::Create(core::DataType::kF32, shape, 1, 0),
      .data = reinterpret_cast<const std::byte*>(values.data())};
  view.is_dense = false;
  view.strides = {4, 12};

  const v1::Tensor proto = EncodeTensor(view, true);

  EXPECT_THAT(FloatsOf(proto), ElementsAre(1, 4, 2, 5, 3, 6));
}

TEST(TensorEncodingTest, CountsUpThroughEveryAxisOfAStridedTensor) {
  std::vector<float> values(24);
  for (std::size_t i = 0; i < 24; ++i) values[i] = static_cast<float>(i);
  const std::vector<std::int64_t> shape = {2, 3, 4};
  core::TensorView view{
      .layout = *core::TensorLayout::Create(core::DataType::kF32, shape, 1, 0),
      .data = reinterpret_cast<const std::byte*>(values.data())};
  view.is_dense = false;
  view.strides = {48, 16, 4};  // dense, said the long way

  const v1::Tensor proto = EncodeTensor(view, true);

  EXPECT_EQ(FloatsOf(proto), values);
}

TEST(TensorEncodingTest, AnEmptyTensorHasAShapeAndNoData) {
  const std::vector<std::int64_t> shape = {0, 3};
  core::TensorView view{
      .layout = *core::TensorLayout::Create(core::DataType::kF16, shape, 1, 0),
      .data = nullptr};
  view.is_dense = false;

  const v1::Tensor proto = EncodeTensor(view, true);

  EXPECT_THAT(proto.shape(), ElementsAre(0, 3));
  EXPECT_TRUE(proto.data().empty());
}

}  // namespace
}  // namespace firekeeper::client
