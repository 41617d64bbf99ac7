#include "core/status_names.hpp"

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
  {"unguarded", {403, "Nobody can be authenticated for this path."}},
  {"cross-site", {403, "A page of another site may not ask for this."}},
  {"not-permitted", {403, "This principal may not call this route."}},
  {"unknown-path", {404, "There is nothing at this path."}},
  {"unknown-parameter", {400, "The query has an unknown parameter."}},
  {"missing-parameter", {400, "A parameter is missing."}},
  {"bad-parameter", {400, "A parameter has a value that is not allowed."}},
};


const set<string> RETRY_REASONS = {"busy", "exhausted", "spool-full"};


bool isNamedError(int64_t status)
{
  return (status >= 400 && status <= 417) || (status >= 500 && status <= 505);
}


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
  static const map<int, int> STATUSES = {
    {0, 200},  {64, 400},           {65, 400}, {66, 404}, {69, 503},
    {73, 409}, {EX_TEMPORARY, 503}, {76, 502}, {77, 403},
  };
  const auto found = STATUSES.find(exitCode);
  return found == STATUSES.end() ? 500 : found->second;
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
