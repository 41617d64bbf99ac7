// A route table as a process of libprocess: request -> route -> arguments.
//
// Decides and hands over; whatever takes time happens on the service's loop.

#ifndef __COMMAND_PROCESS_HPP__
#define __COMMAND_PROCESS_HPP__

#include <process/future.hpp>
#include <process/http.hpp>
#include <process/process.hpp>

#include "exchange.hpp"

namespace command {

class TableProcess : public process::Process<TableProcess>
{
public:
  TableProcess(const Table& table, const Environment& overrides, Spool* spool);

  process::Future<Nothing> shutdown() { return service.shutdown(); }

protected:
  void initialize() override;

private:
  process::Future<process::http::Response> handle(
    const process::http::Request& request,
    const Option<process::http::authentication::Principal>& principal);

  Service service;
};

} // namespace command {

#endif // __COMMAND_PROCESS_HPP__
