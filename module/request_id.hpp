// The ids by which requests and their commands are found in logs.

#pragma once

#include <string>

#include <process/http.hpp>

namespace command {

// The request's own id if it has a proper one, else a random one.
std::string readRequestId(const process::http::Request& request);

// A random one.
std::string randomRequestId();

} // namespace command {
