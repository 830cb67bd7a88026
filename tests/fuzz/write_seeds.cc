// Writes one file for each conversation of the tables, in the form that
// fuzz_session reads: write_seeds <folder>.

#include <google/protobuf/util/delimited_message_util.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "tests/support/malformed_messages.h"
#include "tests/support/message_builders.h"

namespace firekeeper::testing {
namespace {

bool WriteSeed(const std::string& path,
               const std::vector<v1::StreamRequest>& requests) {
  std::ofstream file(path, std::ios::binary);
  for (const v1::StreamRequest& request : requests) {
    google::protobuf::util::SerializeDelimitedToOstream(request, &file);
  }
  file.close();
  return file.good();
}

std::vector<v1::StreamRequest> ValidConversation() {
  std::vector<v1::StreamRequest> requests{
      Opening(MakeOpen()),
      Batched(1, {MakeTensorSnapshot(0), MakeSummarySnapshot(1)})};
  for (const v1::Snapshot& chunk : MakeChunks(2, 12)) {
    requests.push_back(Batched(3, {chunk}));
  }
  requests.push_back(Declaring(MakeGap(4, 6)));
  requests.push_back(Reporting(MakeProgress(2)));
  requests.push_back(Closing(6));
  return requests;
}

int WriteSeeds(const std::string& folder) {
  bool written = WriteSeed(folder + "/valid", ValidConversation());
  for (const MalformedConversation& row : MalformedConversations()) {
    written = WriteSeed(folder + "/" + row.name, row.requests) && written;
  }
  if (!written) std::cerr << "cannot write to " << folder << '\n';
  return written ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace firekeeper::testing

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: fuzz_seeds <folder>\n";
    return EXIT_FAILURE;
  }
  return firekeeper::testing::WriteSeeds(argv[1]);
}
