// A route table as a process of libprocess: request -> route -> arguments.
//
// Decides and hands over; whatever takes time happens on the served table's
// loop.

#pragma once

#include <process/http.hpp>
#include <process/process.hpp>

#include "core/access.hpp"

#include "command_exchange.hpp"
#include "served_table.hpp"

namespace command {

class TableProcess : public process::Process<TableProcess>
{
public:
  TableProcess(
    const Table& table,
    const Environment& overrides,
    Spool* spool,
    const Access* access);

  process::Future<Nothing> shutdown() { return served.shutdown(); }

protected:
  void initialize() override;

private:
  process::Future<process::http::Response> handle(
    const process::http::Request& request,
    const Option<process::http::authentication::Principal>& principal);

  ServedTable served;
  const Access* const access;
};

} // namespace command {
