// What became of an invocation -> the answer: status, headers and body.
//
// Headers are in the order in which libprocess's own responses put them into
// their hash map, which decides the order on the wire: `OK(JSON)` sets the
// type first, every other response with a body in memory the length first.

#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/argv.hpp"
#include "core/outcome.hpp"
#include "core/route.hpp"

namespace command {

// Why bytes could not be kept, where not for lack of space.
constexpr char SPOOL_MISSING[] = "the spool directory does not exist any more";
constexpr char SPOOL_EXHAUSTED[] = "no descriptor is free for another file";


struct Answer
{
  int status;
  std::vector<std::pair<std::string, std::string>> headers; // As inserted.
  std::optional<std::string> body; // None: the host sends the output.
};


// The HTTP status; below 400 the answer is what the command wrote to stdout.
int statusOf(const Route& route, const Outcome& outcome);

// The answer with delivery `whole`, or to a stream that never began.
// `output` is none if it is in a file.
Answer answer(
  const Route& route,
  const Outcome& outcome,
  std::optional<std::string> output);

// The head of a stream.
Answer streamAnswer(const Route& route);

// The answer to a request that started no command.
Answer refusalAnswer(const Refusal& refusal, const std::string& requestId);

Refusal bodyTooLarge(const Route& route);
Refusal busy(const Route& route);
Refusal bodyNotKept(const std::string& reason);
Refusal shuttingDown();

// libprocess's MethodNotAllowed (include/process/http.hpp).
Answer methodNotAllowed(
  const std::vector<std::string>& allowed, const std::string& method);

} // namespace command {
