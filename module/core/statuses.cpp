#include "core/statuses.hpp"

using std::map;
using std::set;
using std::string;

namespace command {

const map<string, Reason> REASONS = {
  {"exit", {500, "The command failed."}},
  {"signal", {500, "The command was ended by a signal."}},
  {"timeout", {504, "The command did not end in time."}},
  {"idle-timeout", {504, "The command was silent for too long."}},
  {"output-limit", {500, "The command wrote more than it may."}},
  {"client-gone", {500, "The client went away."}},
  {"shutdown", {503, "The host is shutting down."}},
  {"start-failed", {500, "The command could not be started."}},
  {"exhausted", {503, "The host has no room for another command."}},
  {"busy", {503, "Too many commands are running."}},
  {"spool-full", {503, "There is no room for the data of this request."}},
  {"body-too-large", {413, "The request body is too large."}},
  {"unknown-path", {404, "There is nothing at this path."}},
  {"unknown-parameter", {400, "The query has an unknown parameter."}},
  {"missing-parameter", {400, "A parameter is missing."}},
  {"bad-parameter", {400, "A parameter has a value that is not allowed."}},
};


const set<string> RETRY_REASONS = {"busy", "exhausted", "spool-full"};


const map<int, string> REASON_PHRASES = {
  {100, "Continue"},
  {101, "Switching Protocols"},
  {200, "OK"},
  {201, "Created"},
  {202, "Accepted"},
  {203, "Non-Authoritative Information"},
  {204, "No Content"},
  {205, "Reset Content"},
  {206, "Partial Content"},
  {300, "Multiple Choices"},
  {301, "Moved Permanently"},
  {302, "Found"},
  {303, "See Other"},
  {304, "Not Modified"},
  {305, "Use Proxy"},
  {307, "Temporary Redirect"},
  {400, "Bad Request"},
  {401, "Unauthorized"},
  {402, "Payment Required"},
  {403, "Forbidden"},
  {404, "Not Found"},
  {405, "Method Not Allowed"},
  {406, "Not Acceptable"},
  {407, "Proxy Authentication Required"},
  {408, "Request Time-out"},
  {409, "Conflict"},
  {410, "Gone"},
  {411, "Length Required"},
  {412, "Precondition Failed"},
  {413, "Request Entity Too Large"},
  {414, "Request-URI Too Large"},
  {415, "Unsupported Media Type"},
  {416, "Requested range not satisfiable"},
  {417, "Expectation Failed"},
  {500, "Internal Server Error"},
  {501, "Not Implemented"},
  {502, "Bad Gateway"},
  {503, "Service Unavailable"},
  {504, "Gateway Time-out"},
  {505, "HTTP Version not supported"},
};


const set<string> METHODS = {
  "ACL",        "BIND",        "CHECKOUT",  "COPY",     "DELETE",  "GET",
  "HEAD",       "LINK",        "LOCK",      "M-SEARCH", "MERGE",   "MKACTIVITY",
  "MKCALENDAR", "MKCOL",       "MOVE",      "NOTIFY",   "OPTIONS", "PATCH",
  "POST",       "PROPFIND",    "PROPPATCH", "PURGE",    "PUT",     "REBIND",
  "REPORT",     "SEARCH",      "SUBSCRIBE", "TRACE",    "UNBIND",  "UNLINK",
  "UNLOCK",     "UNSUBSCRIBE",
};


int httpStatus(int exitCode)
{
  switch (exitCode) {
    case 0:
      return 200;
    case 64:
      return 400;
    case 65:
      return 400;
    case 66:
      return 404;
    case 69:
      return 503;
    case 73:
      return 409;
    case EX_TEMPORARY:
      return 503;
    case 76:
      return 502;
    case 77:
      return 403;
    default:
      return 500;
  }
}


string exitName(int exitCode)
{
  static const char* const NAMES[] = {
    "EX_USAGE",       "EX_DATAERR",  "EX_NOINPUT",  "EX_NOUSER", "EX_NOHOST",
    "EX_UNAVAILABLE", "EX_SOFTWARE", "EX_OSERR",    "EX_OSFILE", "EX_CANTCREAT",
    "EX_IOERR",       "EX_TEMPFAIL", "EX_PROTOCOL", "EX_NOPERM", "EX_CONFIG",
  };
  return exitCode >= 64 && exitCode <= 78 ? NAMES[exitCode - 64] : "";
}


string signalName(int number)
{
  // As numbered on x86 and ARM, from 1 on.
  static const char* const NAMES[] = {
    "HUP",  "INT",    "QUIT", "ILL",   "TRAP", "ABRT", "BUS",  "FPE",
    "KILL", "USR1",   "SEGV", "USR2",  "PIPE", "ALRM", "TERM", "STKFLT",
    "CHLD", "CONT",   "STOP", "TSTP",  "TTIN", "TTOU", "URG",  "XCPU",
    "XFSZ", "VTALRM", "PROF", "WINCH", "IO",   "PWR",  "SYS",
  };
  return number >= 1 && number <= 31 ? string("SIG") + NAMES[number - 1] :
                                       "SIG" + std::to_string(number);
}

} // namespace command {
