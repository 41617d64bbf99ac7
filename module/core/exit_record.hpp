// The exit record: the last line of every stream, by which a client knows that
// it is complete.

#pragma once

#include <string>

#include "core/outcome.hpp"

namespace command {

// One line of NDJSON with its newline.
std::string exitRecord(const Outcome& outcome);

} // namespace command {
