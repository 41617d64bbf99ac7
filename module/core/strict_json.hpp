// A route table's bytes -> JSON, stricter than JSON parsers are by themselves.
//
// RFC 8259 leaves open what duplicate names, lone surrogates, huge numbers
// and deep nesting mean, and parsers differ; what they could read differently
// is refused, so that two hosts always see one table.

#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "core/table_errors.hpp"

namespace command {

// The value in `text`, to be used only if nothing was added to `mistakes`.
nlohmann::json read(const std::string& text, Mistakes* mistakes);

} // namespace command {
