// Every limit of ingest at one below, at itself and at one above.

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/server_fixture.h"
#include "tests/integration/told_streams.h"
#include "tests/support/malformed_answers.h"
#include "tests/support/message_builders.h"

namespace firekeeper::testing {
namespace {

constexpr int kExhausted =
    static_cast<int>(grpc::StatusCode::RESOURCE_EXHAUSTED);
constexpr int kUnavailable = static_cast<int>(grpc::StatusCode::UNAVAILABLE);
constexpr int kInvalid = static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT);

struct LimitRow {
  std::string name;
  int limit;
  // Makes the server's limit `limit`; empty where it is fixed.
  std::function<void(server::Limits&, int)> lower;
  // What reaches `size` of the thing that is limited.
  std::function<std::vector<v1::StreamRequest>(int size)> requests;
  // Of the refusal at limit + 1. An empty reason: gRPC refuses, not we.
  std::string field;
  std::string reason = "LIMIT_EXCEEDED";
  int code = kExhausted;
  // Otherwise the snapshot is rejected.
  bool ends_stream = true;
};

void PrintTo(const LimitRow& row, std::ostream* out) { *out << row.name; }

std::vector<v1::StreamRequest> OpenWith(
    const std::function<void(v1::Open&)>& change) {
  v1::Open open = MakeOpen();
  change(open);
  return {Opening(std::move(open))};
}

std::vector<v1::StreamRequest> AfterOpen(v1::StreamRequest request) {
  return {Opening(MakeOpen()), std::move(request)};
}

// A valid message of exactly `bytes` bytes.
v1::StreamRequest MessageOf(int bytes) {
  v1::Gap gap = MakeGap(1, 1);
  gap.clear_reason();
  while (Declaring(gap).ByteSizeLong() < static_cast<std::size_t>(bytes)) {
    gap.mutable_reason()->push_back('x');
  }
  EXPECT_EQ(Declaring(gap).ByteSizeLong(), static_cast<std::size_t>(bytes));
  return Declaring(gap);
}

std::vector<LimitRow> RowsOfOpen() {
  return {
      {"NameBytes", 12,
       [](server::Limits& limits, int n) {
         limits.max_name_bytes = static_cast<std::size_t>(n);
       },
       [](int size) {
         return OpenWith([size](v1::Open& open) {
           open.set_run_id(std::string(static_cast<std::size_t>(size), 'r'));
         });
       },
       "open.run_id", "INVALID_FIELD", kInvalid},
      {"TokenBytes", 255, nullptr,
       [](int size) {
         return OpenWith([size](v1::Open& open) {
           open.set_launch_token(
               std::string(static_cast<std::size_t>(size), 't'));
         });
       },
       "open.launch_token", "INVALID_FIELD", kInvalid},
      {"Sources", 5,
       [](server::Limits& limits, int n) {
         limits.max_sources = static_cast<std::uint32_t>(n);
       },
       [](int size) {
         return OpenWith([size](v1::Open& open) {
           open.set_source_count(static_cast<std::uint32_t>(size));
         });
       },
       "open.source_count"},
      {"Labels", 3,
       [](server::Limits& limits, int n) {
         limits.max_labels = static_cast<std::size_t>(n);
       },
       [](int size) {
         return OpenWith([size](v1::Open& open) {
           for (int i = 0; i < size; ++i) {
             (*open.mutable_labels())["key" + std::to_string(i)] = "value";
           }
         });
       },
       "open.labels"},
      {"LabelValueBytes", 7,
       [](server::Limits& limits, int n) {
         limits.max_label_value_bytes = static_cast<std::size_t>(n);
       },
       [](int size) {
         return OpenWith([size](v1::Open& open) {
           (*open.mutable_labels())["team"] =
               std::string(static_cast<std::size_t>(size), 'v');
         });
       },
       "open.labels[\"team\"]", "INVALID_FIELD", kInvalid},
  };
}

std::vector<LimitRow> RowsOfLayers() {
  return {
      {"UnitsOfALayer", 6,
       [](server::Limits& limits, int n) {
         limits.max_units_per_layer = static_cast<std::uint64_t>(n);
       },
       [](int size) {
         return OpenWith([size](v1::Open& open) {
           open.mutable_layers(0)->set_unit_count(
               static_cast<std::uint64_t>(size));
         });
       },
       "open.layers[0].unit_count"},
      {"Layers", 3,
       [](server::Limits& limits, int n) {
         limits.max_layers_per_run = static_cast<std::size_t>(n);
       },
       [](int size) {
         return OpenWith([size](v1::Open& open) {
           for (int i = 1; i < size; ++i) {
             *open.add_layers() = MakeLayer("more" + std::to_string(i), 1);
           }
         });
       },
       "open.layers"},
      {"UnitsOfARun", 10,
       [](server::Limits& limits, int n) {
         limits.max_units_per_run = static_cast<std::uint64_t>(n);
       },
       [](int size) {
         return OpenWith([size](v1::Open& open) {
           *open.add_layers() =
               MakeLayer("fc2", static_cast<std::uint64_t>(size - kUnits));
         });
       },
       "open.layers"},
      {"InputsOfALayer", 64, nullptr,
       [](int size) {
         return OpenWith([size](v1::Open& open) {
           for (int i = 0; i < size; ++i) {
             open.mutable_layers(0)->add_inputs("input");
           }
         });
       },
       "open.layers[0].inputs"},
  };
}

std::vector<LimitRow> RowsOfMessages() {
  return {
      {"MessageBytes", 200,
       [](server::Limits& limits, int n) {
         limits.max_message_bytes = static_cast<std::size_t>(n);
       },
       [](int size) { return AfterOpen(MessageOf(size)); }, "", ""},
      {"Credit", 150,
       [](server::Limits& limits, int n) {
         limits.credit_window_bytes = static_cast<std::size_t>(n);
       },
       [](int size) { return AfterOpen(MessageOf(size)); }, "",
       "CREDIT_EXCEEDED"},
      {"TensorBytes", 33,
       [](server::Limits& limits, int n) {
         limits.max_tensor_bytes = static_cast<std::uint64_t>(n);
       },
       // Whole rows of 2-byte values, or one byte more than the limit allows.
       [](int size) {
         v1::Snapshot snapshot = MakeTensorSnapshot(0);
         v1::Tensor& tensor = *snapshot.mutable_tensor();
         tensor.set_data_type(v1::DATA_TYPE_F16);
         tensor.set_shape(0, size > 33 ? 5 : 4);
         tensor.set_data(std::string(size > 33 ? 40 : 32, '\0'));
         return AfterOpen(Batched(1, {snapshot}));
       },
       "batch.snapshots[0].tensor.shape", "LIMIT_EXCEEDED", kExhausted, false},
      {"GapReasonBytes", 255, nullptr,
       [](int size) {
         v1::Gap gap = MakeGap(1, 1);
         gap.set_reason(std::string(static_cast<std::size_t>(size), 'r'));
         return AfterOpen(Declaring(gap));
       },
       "gap.reason", "INVALID_FIELD", kInvalid},
  };
}

std::vector<LimitRow> RowsOfProgress() {
  return {
      {"SampledSteps", 4'096, nullptr,
       [](int size) {
         v1::Progress progress = MakeProgress(5'000);
         for (int step = 0; step < size; ++step) {
           progress.add_sampled_steps(step);
         }
         return AfterOpen(Reporting(progress));
       },
       "progress.sampled_steps"},
      {"ScalarsOfAMessage", 256, nullptr,
       [](int size) {
         v1::Progress progress = MakeProgress(1);
         for (int i = 0; i < size; ++i) {
           progress.add_scalars()->set_name("loss");
         }
         return AfterOpen(Reporting(progress));
       },
       "progress.scalars"},
      {"ScalarsOfARun", 4,
       [](server::Limits& limits, int n) {
         limits.max_scalars_per_run = static_cast<std::size_t>(n);
       },
       [](int size) {
         v1::Progress progress = MakeProgress(1);
         for (int i = 0; i < size; ++i) {
           progress.add_scalars()->set_name("scalar" + std::to_string(i));
         }
         return AfterOpen(Reporting(progress));
       },
       "progress.scalars[4].name"},
  };
}

std::vector<LimitRow> AllRows() {
  std::vector<LimitRow> rows = RowsOfOpen();
  for (std::vector<LimitRow> more :
       {RowsOfLayers(), RowsOfMessages(), RowsOfProgress()}) {
    std::move(more.begin(), more.end(), std::back_inserter(rows));
  }
  return rows;
}

const v1::Status* FirstReject(const Answers& answers) {
  const auto found = std::ranges::find_if(
      answers.responses, [](const auto& one) { return one.has_reject(); });
  return found == answers.responses.end() ? nullptr : &found->reject().status();
}

class LimitTest : public ServerFixture,
                  public ::testing::WithParamInterface<LimitRow> {
 protected:
  LimitTest() {
    if (GetParam().lower) GetParam().lower(options_.limits, GetParam().limit);
    StartServer();
  }

  Answers Reach(int size) {
    const auto context = MakeContext();
    const auto stream = ingest_->Stream(context.get());
    WriteAll(*stream, GetParam().requests(size));
    return FinishStream(*stream);
  }
};

TEST_P(LimitTest, IsAcceptedOneBelow) {
  const Answers answers = Reach(GetParam().limit - 1);

  EXPECT_EQ(answers.end.code(), 0) << answers.end.message();
  EXPECT_EQ(FirstReject(answers), nullptr);
}

TEST_P(LimitTest, IsAcceptedAtTheLimit) {
  const Answers answers = Reach(GetParam().limit);

  EXPECT_EQ(answers.end.code(), 0) << answers.end.message();
  EXPECT_EQ(FirstReject(answers), nullptr);
}

TEST_P(LimitTest, IsRefusedOneAbove) {
  const LimitRow& row = GetParam();

  const Answers answers = Reach(row.limit + 1);

  if (row.ends_stream) {
    EXPECT_EQ(FirstReject(answers), nullptr);
    ExpectRefusal(answers.end, row.code, row.reason, row.field);
    return;
  }
  EXPECT_EQ(answers.end.code(), 0) << answers.end.message();
  ASSERT_NE(FirstReject(answers), nullptr);
  ExpectRefusal(*FirstReject(answers), row.code, row.reason, row.field);
}

INSTANTIATE_TEST_SUITE_P(Table, LimitTest, ::testing::ValuesIn(AllRows()),
                         [](const auto& row) { return row.param.name; });

class StateLimitTest : public ServerFixture {
 protected:
  // Whether a server with `limit` bytes of state takes a tensor. Expects a
  // refusal to say what is used up, and the limit to hold either way.
  bool TensorFits(std::size_t limit) {
    options_.limits.max_state_bytes = limit;
    StartServer();
    const auto context = MakeContext();
    const auto stream = ingest_->Stream(context.get());
    WriteAll(*stream,
             {Opening(MakeOpen()), Batched(1, {MakeTensorSnapshot(0)})});
    v1::StreamResponse response;
    EXPECT_TRUE(stream->Read(&response));
    const bool answered = stream->Read(&response);
    EXPECT_LE(server_->registry().memory().used(), limit);
    const Answers answers = FinishStream(*stream);

    if (!answered) {
      ExpectRefusal(answers.end, kUnavailable, "OVERLOADED", "");
      return false;
    }
    if (response.has_reject()) {
      EXPECT_EQ(response.reject().status().code(), kExhausted);
      return false;
    }
    EXPECT_TRUE(response.has_ack());
    return answers.end.code() == 0;
  }
};

TEST_F(StateLimitTest, RunsBeyondTheLimitAreRefused) {
  options_.limits.max_runs = 2;
  StartServer();
  StreamRun(MakeOpen("one"));
  StreamRun(MakeOpen("two"));
  const auto context = MakeContext();
  const auto stream = ingest_->Stream(context.get());

  WriteAll(*stream, {Opening(MakeOpen("three"))});
  const Answers answers = FinishStream(*stream);

  EXPECT_EQ(answers.end.code(), kExhausted) << answers.end.message();
  EXPECT_TRUE(answers.responses.empty());
  StreamRun(MakeOpen("two"));
}

TEST_F(StateLimitTest, MemoryForStateNeverPassesItsLimit) {
  // Bisects the least limit that a tensor fits: refused at `refused`, accepted
  // at `accepted`.
  std::size_t refused = 0;
  std::size_t accepted = std::size_t{1} << 20U;
  while (accepted - refused > 1) {
    const std::size_t limit = refused + (accepted - refused) / 2;
    (TensorFits(limit) ? accepted : refused) = limit;
  }

  EXPECT_GT(accepted, 100U);
  EXPECT_FALSE(TensorFits(accepted - 1));
  EXPECT_TRUE(TensorFits(accepted));
  EXPECT_TRUE(TensorFits(accepted + 1));
}

}  // namespace
}  // namespace firekeeper::testing
