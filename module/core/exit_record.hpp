// The exit record: the last line of every stream, by which a client knows that
// it is complete.

#ifndef __COMMAND_CORE_EXIT_RECORD_HPP__
#define __COMMAND_CORE_EXIT_RECORD_HPP__

#include <string>

#include "core/outcome.hpp"

namespace command {

// One line of NDJSON with its newline.
std::string exitRecord(const Outcome& outcome);

} // namespace command {

#endif // __COMMAND_CORE_EXIT_RECORD_HPP__
