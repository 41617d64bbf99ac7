// A route table's bytes -> JSON, stricter than JSON parsers are by themselves.
//
// What parsers could read differently (RFC 8259 leaves open what duplicate
// names, lone surrogates, huge numbers and deep nesting mean) is refused.

#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "core/table_errors.hpp"

namespace command {

// The value in `text`, to be used only if nothing was added to `mistakes`.
nlohmann::json read(const std::string& text, Mistakes* mistakes);

} // namespace command {
