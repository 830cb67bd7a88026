// Rows of tables that break one field of a valid message and say how the
// refusal has to read.

#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "server/errors.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::testing {

template <typename Message>
struct BrokenField {
  std::string name;
  std::function<void(Message&)> break_it;
  std::string field;
  // A part of the message.
  std::string says;
  absl::StatusCode code = absl::StatusCode::kInvalidArgument;
};

template <typename Message>
std::string NameOf(const ::testing::TestParamInfo<BrokenField<Message>>& info) {
  return info.param.name;
}

// For test listings, which would otherwise show the bytes of the functions.
template <typename Message>
void PrintTo(const BrokenField<Message>& row, std::ostream* out) {
  *out << row.name;
}

template <typename Message>
void ExpectRefused(const absl::Status& status,
                   const BrokenField<Message>& row) {
  EXPECT_THAT(status, StatusIs(row.code, ::testing::HasSubstr(row.says)));
  EXPECT_EQ(server::FieldOf(status), row.field);
}

}  // namespace firekeeper::testing
