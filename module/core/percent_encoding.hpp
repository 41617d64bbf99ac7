// Percent-encoding of paths (RFC 3986, 2.1), as libprocess decodes it.

#ifndef __COMMAND_CORE_PERCENT_ENCODING_HPP__
#define __COMMAND_CORE_PERCENT_ENCODING_HPP__

#include <optional>
#include <string>

namespace command {

// `text` with its percent escapes decoded; nothing if one is malformed.
std::optional<std::string> unescape(const std::string& text);

} // namespace command {

#endif // __COMMAND_CORE_PERCENT_ENCODING_HPP__
