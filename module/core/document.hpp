// A route table's bytes -> JSON, stricter than JSON parsers are by themselves.
//
// RFC 8259 leaves open what duplicate names, lone surrogates, huge numbers
// and deep nesting mean, and parsers differ; what they could read differently
// is refused, so that two hosts always see one table.

#ifndef __COMMAND_CORE_DOCUMENT_HPP__
#define __COMMAND_CORE_DOCUMENT_HPP__

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "core/problem.hpp"

namespace command {

// The value in `text`, to be used only if nothing was added to `findings`.
nlohmann::json read(const std::string& text, Findings* findings);

} // namespace command {

#endif // __COMMAND_CORE_DOCUMENT_HPP__
