// A route table as a process of libprocess: request -> route -> arguments.
//
// Decides and hands over; whatever takes time happens on the served table's
// loop.

#pragma once

#include <atomic>
#include <string>
#include <vector>

#include <process/future.hpp>
#include <process/http.hpp>
#include <process/process.hpp>

#include "core/access.hpp"

#include "command_exchange.hpp"
#include "served_table.hpp"

namespace command {

// Whom the host lets in, as far as all tables share it.
struct Openness
{
  bool open = false; // What `Access` says.
  std::vector<std::string> names;

  // Whether there is an authenticator for any realm; found out late.
  std::atomic<bool> hasCredentials{false};
};


class TableProcess : public process::Process<TableProcess>
{
public:
  TableProcess(
    const Table& table,
    const Environment& overrides,
    Spool* spool,
    const Openness* openness);

  process::Future<Nothing> shutdown() { return served.shutdown(); }

protected:
  void initialize() override;

private:
  process::Future<process::http::Response> handle(
    const process::http::Request& request,
    const Option<process::http::authentication::Principal>& principal);

  ServedTable served;
  const Openness* const openness;
};

} // namespace command {
