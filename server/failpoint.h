// Places where a test ends the process as kill -9 would. Compiled in only with
// FIREKEEPER_FAILPOINTS, which no release is built with.

#pragma once

namespace firekeeper::server {

#ifdef FIREKEEPER_FAILPOINTS
// Ends the process where the environment says FIREKEEPER_FAILPOINT=name:n and
// this is the n-th pass of that place (from 1). Thread-safe.
void Failpoint(const char* name);
#else
inline void Failpoint(const char* /*name*/) {}
#endif

}  // namespace firekeeper::server
