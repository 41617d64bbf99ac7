// Numbers with names: HTTP statuses as libprocess knows them, exit statuses,
// signals, and the reasons that answers give.

#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace command {

constexpr int EX_TEMPORARY = 75; // EX_TEMPFAIL of sysexits.h.

struct Reason
{
  int status;
  std::string title;
};

// What answers and exit records can give as a reason. What "exit" answers
// depends on the exit status.
extern const std::map<std::string, Reason> REASONS;

// Reasons that the same request may well not meet a second later.
extern const std::set<std::string> RETRY_REASONS;

// Whether libprocess has a name for an error's status (src/http.cpp,
// `statuses`); it can't answer with others.
bool isNamedError(int64_t status);

// http-parser 2.6.2, HTTP_METHOD_MAP, without CONNECT: after it the parser
// reads no more requests.
extern const std::set<std::string> METHODS;

// sysexits.h: the HTTP status for an exit status; every other one is 500.
int httpStatus(int exitCode);

// sysexits.h: the name of an exit status, empty if it has none.
std::string exitName(int exitCode);

// signal(7)'s name of a Linux signal, SIG and the number from 32 on.
std::string signalName(int number);

} // namespace command {
