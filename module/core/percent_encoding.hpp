// Percent-encoding of paths (RFC 3986, 2.1), as libprocess decodes it.

#pragma once

#include <optional>
#include <string>

namespace command {

// `text` with its percent escapes decoded; nothing if one is malformed.
std::optional<std::string> unescape(const std::string& text);

} // namespace command {
