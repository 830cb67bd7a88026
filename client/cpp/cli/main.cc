#include <unistd.h>

#include <exception>
#include <iostream>

#include "client/cpp/cli/cli.h"

int main(int argc, char** argv) {
  try {
    return firekeeper::client::cli::RunCommandLine(
        argc, argv,
        {.out = std::cout,
         .err = std::cerr,
         .interactive = isatty(STDOUT_FILENO) == 1});
  } catch (const std::exception& error) {
    std::cerr << "firekeeper: " << error.what() << '\n';
    return 70;  // EX_SOFTWARE: our bug
  }
}
