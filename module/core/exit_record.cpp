#include "core/exit_record.hpp"

#include "core/formatting.hpp"
#include "core/route_table.hpp"
#include "core/status_names.hpp"

using std::string;
using std::to_string;

namespace command {

string exitRecord(const Outcome& outcome)
{
  return "{\"abi\":" + to_string(ABI_VERSION) +
         ",\"record\":\"exit\",\"request_id\":" +
         jsonString(outcome.requestId) + ",\"exit_code\":" +
         (outcome.exitCode ? to_string(*outcome.exitCode) : "null") +
         ",\"signal\":" +
         (outcome.signal ? jsonString(signalName(*outcome.signal)) : "null") +
         ",\"reason\":\"" + outcome.reason +
         "\",\"seconds\":" + secondsText(outcome.seconds) +
         ",\"stderr\":" + jsonString(stderrTail(outcome.stderr_)) + "}\n";
}

} // namespace command {
